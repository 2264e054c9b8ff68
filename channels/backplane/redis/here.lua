-- Who is present on a channel (C25). By subject: the nodes that have it, since when, the news that nobody is known to
-- have told, the mark of the newest, and of the one that was told last with the epoch of the companion that holds it.

local MOST_NEWS = 8

local function load_record(here, subject)
  local known = redis.call('HGET', here, subject)
  local record = known and cmsgpack.unpack(known) or {}
  record.nodes, record.news = record.nodes or {}, record.news or {}
  return record
end

local function save_record(here, subject, record)
  if next(record.nodes) or #record.news > 0 then
    redis.call('HSET', here, subject, cmsgpack.pack(record))
  else
    redis.call('HDEL', here, subject)
  end
end

-- Marks are times of this server, so they rise even where nothing is left of the ones before.
local function add_news(record, event)
  local time, connections = redis.call('TIME'), 0
  for _ in pairs(record.nodes) do
    connections = connections + 1
  end
  record.mark = math.max((record.mark or 0) + 1, time[1] * 1000000 + time[2])
  if #record.news >= MOST_NEWS then
    table.remove(record.news, 1)
  end
  record.news[#record.news + 1] = {event, record.since, connections, string.format('%.0f', record.mark)}
end

-- `since` nil: the node has the subject no longer.
local function change(record, node, since)
  local was_there = next(record.nodes) ~= nil
  record.nodes[node] = since and 1 or nil
  local is_there = next(record.nodes) ~= nil
  if is_there and not was_there then
    record.since = since
    add_news(record, 'join')
  elseif was_there and not is_there then
    add_news(record, 'leave')
  end
end

local function collect(found, subject, record)
  for _, news in ipairs(record.news) do
    found[#found + 1] = {subject, unpack(news)}
  end
end
