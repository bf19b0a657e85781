-- Move each claim that is as expected into a bucket. KEYS: claims. ARGV: five numbers for each key, in one text: time to live in ms, fingerprint, place,
-- content, and which directory; how many directories there are, and these; into how many buckets a time to live is cut; then the claims as they are expected.
-- What is left of a claim's time is never more than its time to live, so that nothing is forgotten early.
local word = string.gmatch(ARGV[1], '%S+')
local behind = 3 + ARGV[2]
for i = 1, #KEYS do
    local ttl_ms, fingerprint, place, content, directory = word(), word(), word(), word(), word()
    if redis.call('GET', KEYS[i]) == ARGV[behind + i] then
        local width_s = math.max(1, math.floor(ttl_ms / ARGV[behind] / 1000))
        keep(ARGV[2 + directory], width_s, now_ms + ttl_ms, fingerprint, place, content)
        redis.call('DEL', KEYS[i])
    end
end
return 1
