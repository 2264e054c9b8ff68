-- A node says that it is there or that it goes, and hears which nodes are gone (N16): each is told to one node alone.
-- Times are those of this server. KEYS: nodes
local node, silent, patience, leaves = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local nodes = KEYS[1]
local now = now_ms()
local known = redis.call('HGET', nodes, 'node:' .. node)
local last = tonumber(redis.call('HGET', nodes, 'last') or '') or 0
local all = redis.call('HGETALL', nodes)
local found = {}
for i = 1, #all, 2 do
  local kind, name = string.match(all[i], '^(%l+):(.*)$')
  local at = tonumber(all[i + 1])
  if kind == 'node' and name ~= node then
    if now - last > silent / 2 then
      -- Nobody was heard for a while, so it was this server that was away.
      redis.call('HSET', nodes, all[i], text(now))
    elseif now - at > silent then
      local claimed = tonumber(redis.call('HGET', nodes, 'gone:' .. name) or '')
      if not leaves and (not claimed or now - claimed > patience) then
        redis.call('HSET', nodes, 'gone:' .. name, text(now))
        found[#found + 1] = name
      end
    end
  elseif kind == 'left' and now - at > 6 * silent then
    redis.call('HDEL', nodes, all[i])
  end
end
local was_gone = redis.call('HDEL', nodes, 'gone:' .. node)
if leaves then
  -- It is missed by nobody, and still counts among those that know what they told (N5).
  redis.call('HDEL', nodes, 'node:' .. node)
  redis.call('HSET', nodes, 'left:' .. node, text(now))
else
  redis.call('HSET', nodes, 'node:' .. node, text(now), 'last', text(now))
end
return {known and 1 or 0, was_gone, found}
