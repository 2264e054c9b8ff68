-- News of presence are stored: nobody need tell them again (C25).
-- KEYS: here
local here = KEYS[1]
for i = 1, #ARGV, 3 do
  local subject, mark, epoch = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local record = load_record(here, subject)
  local left = {}
  for _, news in ipairs(record.news) do
    if tonumber(news[4]) > mark then
      left[#left + 1] = news
    end
  end
  record.news = left
  if mark >= (record.told or 0) then
    record.told, record.epoch = mark, epoch
  end
  save_record(here, subject, record)
end
return 1
