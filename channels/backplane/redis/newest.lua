-- Some of the newest entries of the keys of a channel (N13), with the history that they are of: between two calls it may
-- have ended, and another master knows nothing of a cursor.
-- KEYS: meta, last
local given, cursor, budget = ARGV[1], ARGV[2], tonumber(ARGV[3])
local meta = load_meta(KEYS[1])
local found, size, largest, count, steps = {}, 0, 1, 4, 0
repeat
  local page = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', count)
  cursor, steps = page[1], steps + 1
  for _, part in ipairs(page[2]) do
    found[#found + 1] = part
    size, largest = size + #part, math.max(largest, #part)
  end
  count = math.max(1, math.min(count * 2, 64, math.floor((budget - size) / largest)))
until cursor == '0' or size >= budget or steps >= 1000
return {meta and meta.epoch or '', own_replid(given), cursor, found}
