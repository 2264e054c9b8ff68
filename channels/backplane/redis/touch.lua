-- Where a channel stands (N9); what is over its age leaves, and what is followed lives on (N18).
-- KEYS: meta, log, last
local most, bytes, age, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local given = ARGV[5]
local meta = load_meta(KEYS[1])
if not meta then
  return {}
end
if trim(KEYS[2], meta, now_ms(), most, bytes, age, 16) then
  save_meta(KEYS[1], meta)
end
if ttl > 0 then
  for i = 1, 3 do
    redis.call('EXPIRE', KEYS[i], ttl)
  end
end
return {meta.epoch, text(meta.head), meta.batch, meta.replid, own_replid(given)}
