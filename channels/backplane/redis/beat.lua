-- A node says that it is there or that it goes, and hears which nodes are gone (N16): each is told to one node alone.
-- Times are those of this server. KEYS: nodes
local node, run, leaves = ARGV[1], ARGV[2], ARGV[3] == '1'
local silent, patience, lease = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local nodes = KEYS[1]
local now = now_ms()
local known = redis.call('HGET', nodes, 'node:' .. node)
local former = redis.call('HGET', nodes, 'run:' .. node)
if known and former and former ~= run and (leaves or now - known < lease) then
  -- Another process has this name, and has it now.
  return {1, 0, {}, {}, 1}
end
local last = tonumber(redis.call('HGET', nodes, 'last') or '') or 0
local all = redis.call('HGETALL', nodes)
local found = {node = {}, bye = {}}
-- Nobody was heard for a while: then it was this server that was away, and those who were there before may be so still.
local was_away = now - last > silent / 2
for i = 1, #all, 2 do
  local kind, name = string.match(all[i], '^(%l+):(.*)$')
  local at = tonumber(all[i + 1])
  if found[kind] and name ~= node then
    if was_away then
      redis.call('HSET', nodes, all[i], text(now))
    elseif now - at > silent then
      local claimed = tonumber(redis.call('HGET', nodes, 'gone:' .. name) or '')
      if not leaves and (not claimed or now - claimed > patience) then
        redis.call('HSET', nodes, 'gone:' .. name, text(now))
        found[kind][#found[kind] + 1] = name
      end
    end
  elseif kind == 'left' and now - at > 6 * silent then
    redis.call('HDEL', nodes, all[i])
  end
end
if known and former and former ~= run then
  -- A former life of this node knew what it told, and took that with it (N5).
  redis.call('HSET', nodes, 'left:' .. node .. '/' .. former, was_away and text(now) or known)
end
local was_gone = redis.call('HDEL', nodes, 'gone:' .. node)
if leaves then
  -- It still counts among those that know what they told (N5), and what it said of its clients is to be struck (N16).
  redis.call('HDEL', nodes, 'node:' .. node, 'run:' .. node)
  redis.call('HSET', nodes, 'left:' .. node .. '/' .. run, text(now), 'bye:' .. node, text(now))
else
  redis.call('HDEL', nodes, 'bye:' .. node)
  redis.call('HSET', nodes, 'node:' .. node, text(now), 'run:' .. node, run, 'last', text(now))
end
return {known and 1 or 0, was_gone, found.node, found.bye, 0}
