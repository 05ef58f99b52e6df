-- sweep: forget jobs that finished long ago, and workers that fell silent; a bounded step. Idempotent.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1] now in ms, '' = server clock
-- KEYS[2] finished  zset job id -> settled ms     ARGV[2] ms that finished jobs are kept
-- KEYS[3] counts    hash status -> jobs           ARGV[3] the most jobs to forget in this step, at most 1,000
-- KEYS[4] roster    hash worker id -> "ms facts"  ARGV[4] beats that a worker may miss before it is forgotten
-- KEYS[5] leases    hash worker id -> fence       KEYS[6] troubles, hash worker id -> trouble
-- Returns {jobs forgotten, workers forgotten}
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local old, counts = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[3]), {}
if #old > 0 then
  for _, record in ipairs(redis.call('HMGET', KEYS[1], unpack(old))) do
    local status = record and string.match(record, '"(%u+)"')
    if status then counts[status] = (counts[status] or 0) + 1 end
  end
  redis.call('HDEL', KEYS[1], unpack(old)) -- what frees memory comes first: a full server refuses a script that begins with more
  redis.call('ZREM', KEYS[2], unpack(old))
  for status, count in pairs(counts) do redis.call('HINCRBY', KEYS[3], status, -count) end
end
local silent = 0
local roster = redis.call('HGETALL', KEYS[4])
for i = 1, #roster, 2 do
  local beat, every_s = string.match(roster[i + 1], '^(%d+) .*"beat_s":([%d.]+)')
  if not beat or now - beat > tonumber(ARGV[4]) * every_s * 1000 then
    redis.call('HDEL', KEYS[4], roster[i])
    redis.call('HDEL', KEYS[5], roster[i])
    silent = silent + 1
  end
end
for _, worker in ipairs(redis.call('HKEYS', KEYS[6])) do
  if redis.call('HEXISTS', KEYS[4], worker) == 0 then redis.call('HDEL', KEYS[6], worker) end
end
return {#old, silent}
