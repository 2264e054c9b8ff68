-- How many connections of a subject a node has on a channel (C25). Telling the same again changes nothing.
-- KEYS: here
local node, subject, since, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local known = redis.call('HGET', KEYS[1], subject)
local record = known and cmsgpack.unpack(known) or {since = since, nodes = {}}
local others, total = 0, count
for name, connections in pairs(record.nodes) do
  if name ~= node then
    others, total = others + 1, total + connections
  end
end
local was_there = record.nodes[node]
if count > 0 then
  record.nodes[node] = count
  redis.call('HSET', KEYS[1], subject, cmsgpack.pack(record))
elseif others > 0 then
  record.nodes[node] = nil
  redis.call('HSET', KEYS[1], subject, cmsgpack.pack(record))
else
  redis.call('HDEL', KEYS[1], subject)
end
local is_news = others == 0 and ((count == 1) or (count == 0 and was_there ~= nil))
return {is_news and 1 or 0, record.since, total}
