-- Which subjects are on a channel by a node (C25). To say the same again changes nothing. -> what is to be told of them
-- KEYS: here
local here, node, epoch = KEYS[1], ARGV[1], ARGV[2]
local found = {}
for i = 3, #ARGV, 2 do
  local subject, since = ARGV[i], ARGV[i + 1]
  local record = load_record(here, subject)
  change(record, node, since ~= '' and since or nil)
  local last = record.news[#record.news]
  if epoch ~= '' and next(record.nodes) and record.epoch ~= epoch and not (last and last[1] == 'join') then
    -- The companion has lost who is there.
    add_news(record, 'join')
  end
  save_record(here, subject, record)
  collect(found, subject, record)
end
return found
