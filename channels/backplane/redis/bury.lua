-- Strikes what a node has said of a channel, some subjects at a time. -> cursor, and what is to be told of these
-- KEYS: here
local here, node, cursor, page = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local scanned = redis.call('HSCAN', here, cursor, 'COUNT', page)
local found = {}
for i = 1, #scanned[2], 2 do
  local subject = scanned[2][i]
  local record = load_record(here, subject)
  if record.nodes[node] then
    change(record, node, nil)
    save_record(here, subject, record)
  end
  -- What was struck before, by somebody who could not tell it, is among them.
  collect(found, subject, record)
end
return {scanned[1], found}
