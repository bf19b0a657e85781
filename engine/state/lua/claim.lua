-- Set each claim that there is none of. KEYS: claims. ARGV: `OWNER SEQ `; then a checksum and a time to live in ms for each key, in one text.
-- Returns what was there instead, as pairs of a position, from 1, and a value: nothing where all are set.
local column = string.gmatch(ARGV[2], '%d+')
local found = {}
for i = 1, #KEYS do
    local value = ARGV[1] .. column() .. ' held 0'
    if not redis.call('SET', KEYS[i], value, 'PX', column(), 'NX') then
        found[#found + 1] = i
        found[#found + 1] = redis.call('GET', KEYS[i])
    end
end
return found
