-- All owners' partials. KEYS: groups. Returns for each, in order, owners and values in turn.
local found = {}
for i = 1, #KEYS do
    found[i] = redis.call('HGETALL', KEYS[i])
end
return found
