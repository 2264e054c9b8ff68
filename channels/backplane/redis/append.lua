-- The append of a channel (N2-N6): the one place where its order is made.
-- KEYS: meta, log, last, live, fence, the caller's batch (or the fence again), then one for each `mid`
local node, fresh, batch, fence = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local at_epoch, at_head, at_batch = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local given, verdict, from_replid, to_replid = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local force, apart, publish = ARGV[12], tonumber(ARGV[13]), ARGV[14]
local most, bytes, age, ttl, window, max_keys, max_newest = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17]),
  tonumber(ARGV[18]), ARGV[19], tonumber(ARGV[20]), tonumber(ARGV[21])
local count, entries = tonumber(ARGV[22]), ARGV[23]
local mids, keys, claims = tonumber(ARGV[24]), tonumber(ARGV[25]), tonumber(ARGV[26])
local at = 27
local meta_key, log, last, live, fence_key, batch_key = unpack(KEYS, 1, 6)
local is_named = batch_key ~= fence_key

local own = own_replid(given)

-- The first answer again, if this call was done before and its answer was lost. Of calls without an id of their caller's
-- a node has one on its way for each channel: the answer to the last one is all that it can ask for again.
if count > 0 then
  local known = is_named and redis.call('GET', batch_key)
  if known then
    return {'known', known, own}
  end
  local reached, former = string.match(redis.call('GET', fence_key) or '', '^(%d+) ?(.*)$')
  reached = tonumber(reached or '')
  if reached == fence and former ~= '' then
    return {'known', former, own}
  end
  -- A call that was overtaken by a later one of its node comes too late: its publishers were told so.
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
-- What the caller took without this store, `apart` ms ago or earlier, is not in an epoch that was there already.
if why == '' and apart and not begun_within(meta, apart) then
  why = 'apart'
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

-- What nodes know the segment by: the same batch, if another master stores it after another past, is another segment.
local name, before = batch .. '.' .. string.sub(own, 1, 8), meta.batch
local now = now_ms()
if kept > 0 then
  local head = meta.head + kept
  local total = meta.total + #entries
  local fields = {'epoch', meta.epoch, 'first', text(first), 'count', kept, 'batch', name, 'node', node,
    'at', text(now), 'total', text(total), 'entries', entries, 'before', before}
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
    first, head, total, before = 1, kept, #entries, ''
    fields[2], fields[4], fields[14], fields[18] = meta.epoch, '1', text(total), before
    redis.call('XADD', log, text(head) .. '-0', unpack(fields))
  end
  if meta.old_last == 0 then
    meta.old_last, meta.old_total, meta.old_at = head, total, now
  end
  meta.head, meta.total, meta.batch = head, total, name
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
local left = 0
if keys > 0 then
  local there = redis.call('HLEN', last)
  if there == 0 then
    meta.newest = 0
  end
  for _ = 1, keys do
    local index, key, removes = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
    at = at + 3
    if slices[index] then
      local former = redis.call('HGET', last, key)
      if former then
        there, meta.newest = there - 1, meta.newest - #key - #former
      end
      if removes == '1' then
        redis.call('HDEL', last, key)
      else
        local value = struct.pack('<I8', offsets[index]) .. slices[index]
        redis.call('HSET', last, key, value)
        there, meta.newest = there + 1, meta.newest + #key + #value
      end
    end
  end
  -- Of a few looked at, the key goes that is unchanged longest.
  while there > 0 and left < 2 * keys + 256 and (there > max_keys or meta.newest > max_newest) do
    local some, oldest, lowest, size = redis.call('HRANDFIELD', last, 8, 'WITHVALUES'), nil, nil, 0
    for i = 1, #some, 2 do
      local offset = struct.unpack('<I8', some[i + 1])
      if not lowest or offset < lowest then
        oldest, lowest, size = some[i], offset, #some[i] + #some[i + 1]
      end
    end
    redis.call('HDEL', last, oldest)
    there, meta.newest, left = there - 1, meta.newest - size, left + 1
  end
end

trim(log, meta, now, most, bytes, age, 4)
save_meta(meta_key, meta)
if ttl > 0 then
  redis.call('EXPIRE', meta_key, ttl)
  redis.call('EXPIRE', log, ttl)
  redis.call('EXPIRE', last, ttl)
end

local answer = cmsgpack.pack({meta.epoch, text(first), kept, text(meta.head), why, repeats, name, before, left})
if count > 0 then
  if is_named then
    redis.call('SET', batch_key, answer, 'PX', window)
  end
  redis.call('SET', fence_key, text(fence) .. ' ' .. (is_named and '' or answer), 'PX', window)
end
if kept > 0 then
  tell(publish, live, meta.epoch, first, kept, name, before, node, entries)
elseif why ~= '' then
  tell(publish, live, meta.epoch, 1, 0, '', '', node, '')
end
return {'stored', answer, own}
