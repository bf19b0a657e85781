-- Change each claim that is as expected. KEYS: claims. ARGV, three for each key: the value expected, the new one or nothing, and its time to
-- live in ms or nothing to keep the time it has left. Returns what is there now, in order.
local found = {}
for i = 1, #KEYS do
    local expected, new, ttl_ms = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
    local value = redis.call('GET', KEYS[i])
    if new ~= '' and value == expected then
        if ttl_ms == '' then
            redis.call('SET', KEYS[i], new, 'KEEPTTL')
        else
            redis.call('SET', KEYS[i], new, 'PX', ttl_ms)
        end
        value = new
    end
    found[i] = value
end
return found
