-- Make an owner's record. KEYS: the record. ARGV: how long its lease is, and how much longer the record is kept, in ms. Returns 1, or 0 where
-- there is one of that name.
local time = redis.call('TIME')
local deadline_ms = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
if redis.call('HSETNX', KEYS[1], 'd', string.format('%.0f', deadline_ms)) == 0 then
    return 0
end
redis.call('HSET', KEYS[1], 'c', 0)
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', deadline_ms + ARGV[2]))
return 1
