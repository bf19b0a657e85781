-- Note windows. KEYS: for each window the list of notes that it goes into. ARGV: until when the lists are kept at least, in ms; then for
-- each window its start, by which the list is ordered, and its note.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS do
    redis.call('ZADD', KEYS[i], ARGV[2 * i], ARGV[2 * i + 1])
    local left_ms = redis.call('PTTL', KEYS[i])
    if left_ms == -1 or left_ms < ARGV[1] - now_ms then
        redis.call('PEXPIREAT', KEYS[i], ARGV[1])
    end
end
return 1
