-- Strikes what a node has told of its connections on a channel, some subjects at a time.
-- KEYS: here
local node, cursor, page = ARGV[1], ARGV[2], ARGV[3]
local scanned = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', page)
local found = {}
for i = 1, #scanned[2], 2 do
  local subject, record = scanned[2][i], cmsgpack.unpack(scanned[2][i + 1])
  if record.nodes[node] then
    record.nodes[node] = nil
    local total, others = 0, 0
    for _, connections in pairs(record.nodes) do
      others, total = others + 1, total + connections
    end
    if others == 0 then
      redis.call('HDEL', KEYS[1], subject)
    else
      redis.call('HSET', KEYS[1], subject, cmsgpack.pack(record))
    end
    found[#found + 1] = {subject, others == 0 and 1 or 0, record.since, total}
  end
end
return {scanned[1], found}
