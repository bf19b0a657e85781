-- An owner's own partials. KEYS: groups. ARGV: the owner. Returns for each, in order, the value and the two bases, nothing in place of what is not there.
local found = {}
for i = 1, #KEYS do
    found[i] = redis.call('HMGET', KEYS[i], ARGV[1], '1:' .. ARGV[1], '2:' .. ARGV[1])
end
return found
