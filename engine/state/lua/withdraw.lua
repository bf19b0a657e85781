-- Strike out notes of windows whose result is out. KEYS, for each window: the list its note is in, then the groups of its panes.
-- ARGV, for each window: its note and the number of its panes; for each of these the number of owners that were looked at, and for each owner its
-- name and the number of its partial. Where an owner has a partial of a higher number, or one that nobody looked at, the note stays.
local arg, key = 1, 1

local function next_pane_has_news()
    local owners, seen = tonumber(ARGV[arg]), {}
    arg = arg + 1
    for _ = 1, owners do
        seen[ARGV[arg]] = tonumber(ARGV[arg + 1])
        arg = arg + 2
    end
    local stored = redis.call('HGETALL', KEYS[key])
    key = key + 1
    for i = 1, #stored, 2 do
        local seq, is_base = seen[stored[i]], stored[i]:find(':', 1, true)
        if not is_base and (not seq or struct.unpack('>I8', stored[i + 1]) > seq) then
            return true
        end
    end
    return false
end

while key <= #KEYS do
    local list, note, panes = KEYS[key], ARGV[arg], tonumber(ARGV[arg + 1])
    key, arg = key + 1, arg + 2
    local news = false
    for _ = 1, panes do
        news = next_pane_has_news() or news
    end
    if not news then
        redis.call('ZREM', list, note)
    end
end
return 1
