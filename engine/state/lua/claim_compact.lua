-- Set each claim that there is none of, and whose key is in no bucket. KEYS: claims. ARGV: `OWNER SEQ `; six numbers for each key, in one text: checksum, time
-- to live in ms, fingerprint, place, content, and which directory; then the directories.
-- Returns what was there instead, as pairs of a position, from 1, and a value: a claim, or `same` or `other` out of a bucket.
local word = string.gmatch(ARGV[2], '%S+')
local found = {}
for i = 1, #KEYS do
    local checksum, ttl_ms, fingerprint, place, content, directory = word(), word(), word(), word(), word(), word()
    local there = find(ARGV[2 + directory], fingerprint, place, content)
    if not there and not redis.call('SET', KEYS[i], ARGV[1] .. checksum .. ' held 0', 'PX', ttl_ms, 'NX') then
        there = redis.call('GET', KEYS[i])
    end
    if there then
        found[#found + 1] = i
        found[#found + 1] = there
    end
end
return found
