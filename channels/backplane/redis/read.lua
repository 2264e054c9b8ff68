-- What a node lacks of a channel, as of one moment (N7, N12, N13, N18). Begins the first history of a channel.
-- KEYS: meta, log, last, live
local node, fresh, given, publish = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local at_epoch, at_head, at_batch = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local budget, ttl = tonumber(ARGV[8]), tonumber(ARGV[9])
local meta_key, log, last, live = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local meta = load_meta(meta_key)
local why = ''
if not meta then
  why = 'missing'
elseif at_epoch == meta.epoch then
  if at_head > meta.head then
    why = 'behind'
  elseif agrees(log, meta, at_head, at_batch) == false then
    why = 'two_pasts'
  end
end
local own = own_replid(given)
if why ~= '' then
  meta = begin_history(log, last, fresh, own)
  save_meta(meta_key, meta)
  tell(publish, live, meta.epoch, 1, 0, '', '', node, '')
end
if ttl > 0 then
  redis.call('EXPIRE', meta_key, ttl)
  redis.call('EXPIRE', log, ttl)
  redis.call('EXPIRE', last, ttl)
end

local after = at_epoch == meta.epoch and at_head or 0
local segments, size, batch = {}, 0, 1
while after < meta.head and size < budget do
  local items = redis.call('XRANGE', log, '(' .. text(after), '+', 'COUNT', batch)
  local largest = 1
  for _, item in ipairs(items) do
    segments[#segments + 1] = item
    local length = #(item[2][16] or '')
    size, largest = size + length, math.max(largest, length)
  end
  if #items < batch then
    break
  end
  after = last_of(items[#items])
  batch = math.max(1, math.min(batch * 2, 128, math.floor((budget - size) / largest)))
end
return {meta.epoch, text(meta.head), meta.batch, why, own, segments, meta.replid}
