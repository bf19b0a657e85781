-- An owner's own partials. KEYS: groups. ARGV: the owner. Returns values in order, nothing where there is none.
local found = {}
for i = 1, #KEYS do
    found[i] = redis.call('HGET', KEYS[i], ARGV[1])
end
return found
