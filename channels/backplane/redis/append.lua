-- The append of a channel (N2-N6): the one place where its order is made.
-- KEYS: meta, log, last, live, batch, fence, then one for each `mid`
local node, fresh, batch, fence = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local at_epoch, at_head, at_batch = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local given, verdict, from_replid, to_replid = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local force, publish = ARGV[12], ARGV[13]
local most, bytes, age, ttl, window, max_keys = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]),
  tonumber(ARGV[17]), ARGV[18], tonumber(ARGV[19])
local count, entries = tonumber(ARGV[20]), ARGV[21]
local mids, keys, claims = tonumber(ARGV[22]), tonumber(ARGV[23]), tonumber(ARGV[24])
local at = 25
local meta_key, log, last, live = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local own = own_replid(given)

-- The first answer again, if this call was done before and its answer was lost.
if count > 0 then
  local known = redis.call('GET', KEYS[5])
  if known then
    return {'known', known, own}
  end
  -- A call that was overtaken by a later one of its node comes too late: its publishers were told so.
  local reached = tonumber(redis.call('GET', KEYS[6]) or '')
  if reached and reached >= fence then
    return {'late'}
  end
end

local meta = load_meta(meta_key)
local why = ''
if not meta then
  why = 'missing'
elseif meta.replid ~= own then
  if verdict == '' or meta.replid ~= from_replid or own ~= to_replid then
    return {'changed', meta.replid, own, meta.epoch, text(meta.head), meta.batch}
  end
  local is_proven = verdict == 'keep'
  local claim = at + 2 * mids + 3 * keys
  for _ = 1, claims do
    is_proven = is_proven and agrees(log, meta, tonumber(ARGV[claim]), ARGV[claim + 1]) == true
    claim = claim + 2
  end
  if is_proven then
    meta.replid = own
  else
    why = 'replication'
  end
end
if why == '' and at_epoch == meta.epoch then
  if at_head > meta.head then
    why = 'behind'
  elseif at_head == meta.head and at_batch ~= '' and at_batch ~= meta.batch then
    why = 'two_pasts'
  end
end
if why == '' and force == meta.epoch then
  why = 'forced'
end
if why ~= '' then
  meta = begin_history(log, last, fresh, own)
end

-- Those whose `mid` is known are taken out (N3, M31).
local repeats, left_out, seen = {}, {}, {}
for i = 1, mids do
  local index, content, key = tonumber(ARGV[at]), ARGV[at + 1], KEYS[6 + i]
  at = at + 2
  local former = seen[key]
  if former then
    left_out[index] = true
    repeats[#repeats + 1] = {index, former.content == content and former.index or ''}
  else
    local known = redis.call('GET', key)
    if known then
      left_out[index] = true
      repeats[#repeats + 1] = {index, string.sub(known, 1, #content) == content and string.sub(known, #content + 1) or ''}
    else
      seen[key] = {index = index, content = content}
    end
  end
end

-- The offset of each entry, and the bytes of each that is asked for.
local first, kept, offsets, slices = meta.head + 1, count - #repeats, {}, nil
if #repeats > 0 or keys > 0 then
  slices = {}
  local position, pieces, offset = 1, {}, meta.head
  for index = 0, count - 1 do
    local size = 4 + struct.unpack('<I4', entries, position)
    if not left_out[index] then
      offset = offset + 1
      offsets[index] = offset
      slices[index] = string.sub(entries, position, position + size - 1)
      pieces[#pieces + 1] = slices[index]
    end
    position = position + size
  end
  entries = table.concat(pieces)
end

local now = now_ms()
if kept > 0 then
  local head = meta.head + kept
  local total = meta.total + #entries
  local fields = {'epoch', meta.epoch, 'first', text(first), 'count', kept, 'batch', batch, 'node', node,
    'at', text(now), 'total', text(total), 'entries', entries}
  local added = redis.pcall('XADD', log, text(head) .. '-0', unpack(fields))
  if type(added) == 'table' and added.err then
    -- A log that is newer than its meta, or none of ours: another history, in which the places begin again.
    if string.sub(added.err, 1, 3) == 'OOM' or string.sub(added.err, 1, 6) == 'NOPERM' then
      return redis.error_reply(added.err)
    end
    why = 'damaged'
    meta = begin_history(log, last, fresh, own)
    local shift = first - 1
    for index, offset in pairs(offsets) do
      offsets[index] = offset - shift
    end
    first, head, total = 1, kept, #entries
    fields[2], fields[4], fields[14] = meta.epoch, '1', text(total)
    redis.call('XADD', log, text(head) .. '-0', unpack(fields))
  end
  if meta.old_last == 0 then
    meta.old_last, meta.old_total, meta.old_at = head, total, now
  end
  meta.head, meta.total, meta.batch = head, total, batch
end

-- Positions of repeats within the batch are known now.
local place = meta.epoch .. ':'
for _, one in ipairs(repeats) do
  if type(one[2]) == 'number' then
    one[2] = place .. text(offsets[one[2]] or first + one[2])
  end
end
for key, one in pairs(seen) do
  redis.call('SET', key, one.content .. place .. text(offsets[one.index] or first + one.index), 'PX', window)
end

-- The newest of each key; one that is removed leaves (S6).
for _ = 1, keys do
  local index, key, removes = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  at = at + 3
  if slices[index] then
    if removes == '1' then
      redis.call('HDEL', last, key)
    else
      redis.call('HSET', last, key, struct.pack('<I8', offsets[index]) .. slices[index])
    end
  end
end
if keys > 0 then
  -- Of a few looked at, the key goes that is unchanged longest.
  local over = redis.call('HLEN', last) - max_keys
  for _ = 1, math.min(over, 2 * keys) do
    local some, oldest, lowest = redis.call('HRANDFIELD', last, 8, 'WITHVALUES'), nil, nil
    for i = 1, #some, 2 do
      local offset = struct.unpack('<I8', some[i + 1])
      if not lowest or offset < lowest then
        oldest, lowest = some[i], offset
      end
    end
    redis.call('HDEL', last, oldest)
  end
end

trim(log, meta, now, most, bytes, age, 4)
save_meta(meta_key, meta)
if ttl > 0 then
  redis.call('EXPIRE', meta_key, ttl)
  redis.call('EXPIRE', log, ttl)
  redis.call('EXPIRE', last, ttl)
end

local answer = {meta.epoch, text(first), kept, text(meta.head), why, repeats}
if count > 0 then
  redis.call('SET', KEYS[5], cmsgpack.pack(answer), 'PX', window)
  redis.call('SET', KEYS[6], text(fence), 'PX', window)
end
if kept > 0 then
  tell(publish, live, meta.epoch, first, kept, batch, node, entries)
elseif why ~= '' then
  tell(publish, live, meta.epoch, 1, 0, '', node, '')
end
return {'stored', cmsgpack.pack(answer), own}
