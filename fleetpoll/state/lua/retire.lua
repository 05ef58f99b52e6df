-- retire: forget consumers of a group that hold nothing and were not heard of for a while, or that leave. Idempotent.
-- One that leaves and holds something stays, but what it has not begun with is held for so long that anybody may take it.
-- One script, because a consumer that is given something between the look and its end would take it along.
-- KEYS[1] events  stream       ARGV[1] group   ARGV[2] ms of silence   ARGV[3] name of the consumer that leaves, '' = nobody
--                              ARGV[4…] ids of what it has begun with
-- Returns {how many were forgotten, how many transitions the leaving one has lost because the stream is trimmed}
local begun, trimmed = {}, 0
for i = 4, #ARGV do begun[ARGV[i]] = true end
if ARGV[3] ~= '' then
  local from, page = '-', nil
  repeat
    page = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 1000, ARGV[3])
    for _, held in ipairs(page) do
      if not begun[held[1]] then
        trimmed = trimmed + 1 - #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, held[1], 'TIME', 0, 'JUSTID')
      end
      from = '(' .. held[1]
    end
  until #page < 1000
end
local forgotten = 0
for _, reply in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #reply, 2 do consumer[reply[i]] = reply[i + 1] end
  if consumer.pending == 0 and (consumer.idle >= tonumber(ARGV[2]) or consumer.name == ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return {forgotten, trimmed}
