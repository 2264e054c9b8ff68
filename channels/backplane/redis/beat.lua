-- A node says that it is there, and hears which nodes are gone (N16): each of these is told to one node alone.
-- Times are those of this server. KEYS: nodes
local node, silent, patience = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local nodes = KEYS[1]
local now = now_ms()
local known = redis.call('HGET', nodes, 'node:' .. node)
local last = tonumber(redis.call('HGET', nodes, 'last') or '') or 0
local all = redis.call('HGETALL', nodes)
local found = {}
for i = 1, #all, 2 do
  local name = string.match(all[i], '^node:(.*)$')
  if name and name ~= node then
    if now - last > silent / 2 then
      -- Nobody was heard for a while, so it was this server that was away.
      redis.call('HSET', nodes, all[i], text(now))
    elseif now - tonumber(all[i + 1]) > silent then
      local claimed = tonumber(redis.call('HGET', nodes, 'gone:' .. name) or '')
      if not claimed or now - claimed > patience then
        redis.call('HSET', nodes, 'gone:' .. name, text(now))
        found[#found + 1] = name
      end
    end
  end
end
redis.call('HSET', nodes, 'node:' .. node, text(now), 'last', text(now))
local was_gone = redis.call('HDEL', nodes, 'gone:' .. node)
return {known and 1 or 0, was_gone, found}
