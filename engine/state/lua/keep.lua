-- Renew a lease and commit. KEYS: the record. ARGV: the batch number; the length of the lease, how much longer the record is kept at least, and
-- until when it is kept, in ms. Returns the committed number, or -1 where the owner is gone.
local record = redis.call('HMGET', KEYS[1], 'd', 'c', 'e')
if not record[1] or record[3] then
    return -1
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(record[1]) < now_ms then
    redis.call('HSET', KEYS[1], 'e', 1)
    return -1
end
local committed = math.max(tonumber(record[2]), tonumber(ARGV[1]))
local deadline_ms = now_ms + ARGV[2]
redis.call('HSET', KEYS[1], 'c', string.format('%.0f', committed), 'd', string.format('%.0f', deadline_ms))
local expires_ms = math.max(deadline_ms + ARGV[3], tonumber(ARGV[4]))
if redis.call('PTTL', KEYS[1]) < expires_ms - now_ms then
    redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', expires_ms))
end
return committed
