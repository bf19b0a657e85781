-- End an owner for good, if there is a record of it. KEYS: the record.
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[1], 'e', 1)
end
return 1
