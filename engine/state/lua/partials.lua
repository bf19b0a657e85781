-- Write an owner's partials, never over one of a higher batch number. KEYS, two for each partial: its group's, and the list of its key's windows.
-- ARGV: the owner; then, in one text for all partials, the start of its window, when it expires, in ms, and at which place, 1 or 2, there is a base
-- to write with it, 0 for none; then the values of all, which begin with the number in 8 bytes; then the bases.
-- The list has each window with the time when it expires: what has expired leaves it when the next one comes in.
local owner = ARGV[1]
local column = string.gmatch(ARGV[2], '%S+')
local last_base = 2 + #KEYS / 2
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local function ends_before(key, left_ms)
    local found_ms = redis.call('PTTL', key)
    return found_ms == -1 or found_ms < left_ms
end

for i = 1, #KEYS / 2 do
    local group, windows = KEYS[2 * i - 1], KEYS[2 * i]
    local value, start, expires_ms, base_at = ARGV[i + 2], column(), column(), column()
    local base
    if base_at ~= '0' then
        last_base = last_base + 1
        base = ARGV[last_base]
    end
    local stored = redis.call('HGET', group, owner)
    if not stored or struct.unpack('>I8', stored) <= struct.unpack('>I8', value) then
        if base then
            redis.call('HSET', group, owner, value, base_at .. ':' .. owner, base)
        else
            redis.call('HSET', group, owner, value)
        end
        if ends_before(group, expires_ms - now_ms) then
            redis.call('PEXPIREAT', group, expires_ms)
            redis.call('ZREMRANGEBYSCORE', windows, '-inf', now_ms)
            redis.call('ZADD', windows, expires_ms, start)
            if ends_before(windows, expires_ms - now_ms) then
                redis.call('PEXPIREAT', windows, expires_ms)
            end
        end
    end
end
return 1
