-- A number above all that were given for a session (R8), even if those were lost.
-- KEYS: claim
local time = redis.call('TIME')
local number = math.max(tonumber(redis.call('GET', KEYS[1]) or '') or 0, time[1] * 1000000 + time[2] - 1) + 1
redis.call('SET', KEYS[1], text(number), 'PX', ARGV[1])
return text(number)
