-- Which subjects a node has said to be on a channel, some at a time. -> cursor, subjects
-- KEYS: here
local scanned = redis.call('HSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local found = {}
for i = 1, #scanned[2], 2 do
  if cmsgpack.unpack(scanned[2][i + 1]).nodes[ARGV[1]] then
    found[#found + 1] = scanned[2][i]
  end
end
return {scanned[1], found}
