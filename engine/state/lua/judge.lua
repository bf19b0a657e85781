-- What became of an owner; one past its deadline is ended. KEYS: the record. Returns 1 where it is gone, else 0, and its committed number.
local record = redis.call('HMGET', KEYS[1], 'd', 'c', 'e')
if not record[1] then
    return {1, 0}
end
local time = redis.call('TIME')
local gone = record[3] or tonumber(record[1]) < time[1] * 1000 + math.floor(time[2] / 1000)
if gone and not record[3] then
    redis.call('HSET', KEYS[1], 'e', 1)
end
return {gone and 1 or 0, tonumber(record[2])}
