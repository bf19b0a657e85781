-- Buckets of fingerprints, for the scripts that this text is put in front of. A directory is a hash: a field `WIDTH:NUMBER` for each bucket, whose
-- keys end between NUMBER and NUMBER + 1 times WIDTH seconds of epoch time; its value has the number of sets of each level, the newest last. A set holds at
-- most about 480 numbers, because up to 512 Redis keeps them in 8 bytes each. Where a set is full, the bucket gets a level of four times as many.
local FULL, GOAL, MORE = 480, 307, 4
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local directories = {}

local function open_level(directory, field, sets)
    directory.newest[field] = sets
    table.insert(directory.levels, {directory.name .. ':' .. field .. ':' .. sets .. ':', sets})
end

local function directory_of(name)
    local directory = directories[name]
    if directory then
        return directory
    end
    directory = {name = name, levels = {}, newest = {}, texts = {}}
    directories[name] = directory
    local fields = redis.call('HGETALL', name)
    for i = 1, #fields, 2 do
        local width_s, number = string.match(fields[i], '(%d+):(%d+)')
        if (number + 1) * width_s * 1000 <= now_ms then
            redis.call('HDEL', name, fields[i])
        else
            directory.texts[fields[i]] = fields[i + 1]
            for sets in string.gmatch(fields[i + 1], '%d+') do
                open_level(directory, fields[i], tonumber(sets))
            end
        end
    end
    return directory
end

-- `same` or `other`, where there is a key with this fingerprint, of this content or another; else nil.
local function find(name, fingerprint, place, content)
    for _, level in ipairs(directory_of(name).levels) do
        local set = level[1] .. place % level[2]
        if redis.call('SISMEMBER', set, fingerprint) == 1 then
            return redis.call('SISMEMBER', set .. ':x', content) == 1 and 'same' or 'other'
        end
    end
    return nil
end

-- How many sets a bucket begins with: as many as the one before it would have needed, by a look at one of its sets in each level.
local function first_sets(directory, width_s, number)
    local before, keys = string.format('%d:%d', width_s, number - 1), 0
    for sets in string.gmatch(directory.texts[before] or '', '%d+') do
        keys = keys + sets * redis.call('SCARD', directory.name .. ':' .. before .. ':' .. sets .. ':0')
    end
    return math.max(1, math.ceil(keys / GOAL))
end

local function write_level(directory, field, sets)
    local text = directory.texts[field]
    directory.texts[field] = (text and text .. ' ' or '') .. sets
    redis.call('HSET', directory.name, field, directory.texts[field])
    open_level(directory, field, sets)
end

-- Keep a fingerprint until `ends_ms`, and at most `width_s` longer.
local function keep(name, width_s, ends_ms, fingerprint, place, content)
    local directory, number = directory_of(name), math.floor(ends_ms / width_s / 1000)
    local field = string.format('%d:%d', width_s, number)
    local bucket_ends_ms = string.format('%.0f', (number + 1) * width_s * 1000)
    if not directory.newest[field] then
        write_level(directory, field, first_sets(directory, width_s, number))
        if redis.call('PTTL', name) < bucket_ends_ms - now_ms then
            redis.call('PEXPIREAT', name, bucket_ends_ms)
        end
    end
    local sets = directory.newest[field]
    local set = name .. ':' .. field .. ':' .. sets .. ':' .. place % sets
    redis.call('SADD', set, fingerprint)
    redis.call('SADD', set .. ':x', content)
    local size = redis.call('SCARD', set)
    if size == 1 then
        redis.call('PEXPIREAT', set, bucket_ends_ms)
        redis.call('PEXPIREAT', set .. ':x', bucket_ends_ms)
    elseif size >= FULL then
        write_level(directory, field, sets * MORE)
    end
end
