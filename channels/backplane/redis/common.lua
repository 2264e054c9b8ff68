-- What the scripts of a channel share. Each sees one channel; all its keys hash to one slot by their {channel}.

-- Numbers as Redis wants them: no exponent, whatever their size.
local function text(number)
  return string.format('%.0f', number)
end

-- The id of the history that this master writes (N2, N6). `given`: where a deployment forbids INFO in scripts.
local function own_replid(given)
  if given ~= '' then
    return given
  end
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What `meta` says; nil if it is missing or is not what we wrote.
local function load_meta(key)
  local got = redis.pcall('HMGET', key, 'epoch', 'head', 'replid', 'batch', 'total', 'old_last', 'old_total', 'old_at',
    'newest', 'begun')
  if got.err then
    redis.call('UNLINK', key)
    return nil
  end
  local head = tonumber(got[2] or '')
  if not got[1] or not head or not got[3] then
    return nil
  end
  return {
    epoch = got[1], head = head, replid = got[3], batch = got[4] or '', total = tonumber(got[5] or '') or 0,
    old_last = tonumber(got[6] or '') or 0, old_total = tonumber(got[7] or '') or 0,
    old_at = tonumber(got[8] or '') or 0, newest = tonumber(got[9] or '') or 0,
    begun = tonumber(got[10] or '') or 0,
  }
end

local function save_meta(key, meta)
  redis.call('HSET', key, 'epoch', meta.epoch, 'head', text(meta.head), 'replid', meta.replid, 'batch', meta.batch,
    'total', text(meta.total), 'old_last', text(meta.old_last), 'old_total', text(meta.old_total),
    'old_at', text(meta.old_at), 'newest', text(meta.newest), 'begun', text(meta.begun))
end

-- What a node hears: see segment.py.
local function tell(command, live, epoch, first, count, batch, before, node, entries)
  redis.call(command, live, struct.pack('<BBc0Bc0Bc0Bc0I8I2I4', 2, #epoch, epoch, #batch, batch, #before, before, #node,
    node, first, count, #entries) .. entries)
end

-- Another history begins (N4): a new name, head 0, the old log removed. The caller saves `meta`.
local function begin_history(log, last, fresh, replid)
  redis.call('UNLINK', log, last)
  return {
    epoch = fresh, head = 0, replid = replid, batch = '', total = 0, old_last = 0, old_total = 0, old_at = 0,
    newest = 0, begun = now_ms(),
  }
end

-- Whether the history began less than `ms` ago; a clock that was set back, or a meta without that time, tells nothing.
local function begun_within(meta, ms)
  local age = now_ms() - meta.begun
  return age >= 0 and age < ms
end

local function last_of(item)
  return tonumber(string.match(item[1], '^%d+'))
end

-- The members of a stored segment, in the order in which they are written; of one that is none of ours, nothing but the
-- place of its end.
local function stored(item)
  local fields = item[2]
  return {
    id = item[1], first = tonumber(fields[4] or '') or last_of(item), batch = fields[8] or '',
    at = tonumber(fields[12] or ''), total = tonumber(fields[14] or ''), before = fields[18] or '',
  }
end

-- Lets old segments leave, at most `steps` of them; never so many that less is left than the channel keeps. What is
-- known of the oldest: the offset and the sum of all bytes at its end, and its time. -> whether `meta` changed
local function trim(log, meta, now, most, bytes, age, steps)
  local changed = false
  while steps > 0 and meta.old_last > 0 and (meta.head - meta.old_last >= most
      or meta.total - meta.old_total >= bytes or now - meta.old_at > age) do
    steps = steps - 1
    local first, second = unpack(redis.call('XRANGE', log, '-', '+', 'COUNT', 2))
    if first and last_of(first) == meta.old_last then
      if not second then
        return changed
      end
      redis.call('XTRIM', log, 'MINID', '=', second[1])
      first = second
    elseif not first then
      return changed
    end
    -- Else the log was not what it was thought to be: some of it was evicted.
    local oldest = stored(first)
    meta.old_last, meta.old_total, meta.old_at = last_of(first), oldest.total or meta.old_total, oldest.at or meta.old_at
    changed = true
  end
  return changed
end

-- Whether a node that stands at `head`, with the segment `batch` there, has the past that is stored (N5, N7).
-- -> true, false, or nil where the store no longer has what would tell
local function agrees(log, meta, head, batch)
  if head == 0 then
    return true
  end
  if head > meta.head then
    return false
  end
  local known = meta.batch
  if head < meta.head then
    local item = redis.call('XRANGE', log, text(head), '+', 'COUNT', 1)[1]
    if not item then
      return nil
    end
    local found = stored(item)
    if item[1] == text(head) .. '-0' then
      known = found.batch
    elseif found.first <= head then
      return false
    elseif found.first > head + 1 or found.before == '' then
      return nil
    else
      known = found.before
    end
  end
  if batch == '' then
    return nil
  end
  return batch == known
end
