-- Strike out notes of windows whose result is out. KEYS, two for each window: its group, and the list its note is in.
-- ARGV, for each window: its note, the number of owners that were looked at, and for each of them its name and the number of its partial.
-- Where an owner has a partial of a higher number, or one that nobody looked at, the note stays.
local at = 1
for i = 1, #KEYS / 2 do
    local note, owners, seen = ARGV[at], tonumber(ARGV[at + 1]), {}
    at = at + 2
    for _ = 1, owners do
        seen[ARGV[at]] = tonumber(ARGV[at + 1])
        at = at + 2
    end
    local stored, newer = redis.call('HGETALL', KEYS[2 * i - 1]), false
    for j = 1, #stored, 2 do
        local seq = seen[stored[j]]
        newer = newer or not seq or struct.unpack('>I8', stored[j + 1]) > seq
    end
    if not newer then
        redis.call('ZREM', KEYS[2 * i], note)
    end
end
return 1
