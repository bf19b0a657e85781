-- Change each claim that is as expected. KEYS: claims. ARGV: four numbers for each key, in one text: fingerprint, place, content, and which directory; how many
-- directories there are, and these; then three for each key: the value expected, the new one or nothing, and its time to live in ms: nothing keeps the time that
-- it has left, a negative number is the most that is kept of it. Returns what is there now, in order: a claim, or `same` or `other` out of a bucket.
local word = string.gmatch(ARGV[1], '%S+')
local found = {}
for i = 1, #KEYS do
    local fingerprint, place, content, directory = word(), word(), word(), word()
    local first = 2 + ARGV[2] + 3 * (i - 1)
    local expected, new, ttl_ms = ARGV[first + 1], ARGV[first + 2], ARGV[first + 3]
    local value = redis.call('GET', KEYS[i])
    if not value then
        value = find(ARGV[2 + directory], fingerprint, place, content)
    elseif new ~= '' and value == expected then
        if ttl_ms == '' then
            redis.call('SET', KEYS[i], new, 'KEEPTTL')
        elseif tonumber(ttl_ms) < 0 then
            redis.call('SET', KEYS[i], new, 'PX', math.max(1, math.min(redis.call('PTTL', KEYS[i]), -ttl_ms)))
        else
            redis.call('SET', KEYS[i], new, 'PX', ttl_ms)
        end
        value = new
    end
    found[i] = value or false
end
return found
