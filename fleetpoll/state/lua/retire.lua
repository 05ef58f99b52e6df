-- retire: forget consumers of a group that hold nothing and were not heard of for a while, or that leave. Idempotent.
-- One script, because a consumer that is given something between the look and its end would take it along.
-- KEYS[1] events  stream       ARGV[1] group   ARGV[2] ms of silence   ARGV[3] name of the consumer that leaves, '' = nobody
-- Returns how many were forgotten
local forgotten = 0
for _, reply in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #reply, 2 do consumer[reply[i]] = reply[i + 1] end
  if consumer.pending == 0 and (consumer.idle >= tonumber(ARGV[2]) or consumer.name == ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten
