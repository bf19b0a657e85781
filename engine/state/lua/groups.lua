-- All owners' partials. KEYS: groups. Returns for each, in order, names of fields and values in turn: of owners, and of their bases.
local found = {}
for i = 1, #KEYS do
    found[i] = redis.call('HGETALL', KEYS[i])
end
return found
