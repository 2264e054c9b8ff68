-- Tells all nodes, in this order; what is kept is there for those that are cut off (N15).
-- KEYS: kept
local control, seconds, most = ARGV[1], tonumber(ARGV[2]), ARGV[3]
for i = 4, #ARGV, 2 do
  if ARGV[i] == '1' then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', most, '*', 'm', ARGV[i + 1])
  end
  redis.call('PUBLISH', control, ARGV[i + 1])
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('XTRIM', KEYS[1], 'MINID', '~', text(now_ms() - seconds * 1000))
end
return 1
