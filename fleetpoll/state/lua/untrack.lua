-- untrack: forget jobs whatever their status; a lease that holds one of them settles without it. Idempotent.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1…] job ids
-- KEYS[2] schedule  zset job id -> due ms
-- KEYS[3] counts    hash status -> jobs
-- KEYS[4] finished  zset job id -> settled ms
-- Returns how many jobs were known
local known = 0
for i = 1, #ARGV do
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  if record then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('ZREM', KEYS[4], ARGV[i])
    redis.call('HINCRBY', KEYS[3], string.match(record, '"(%u+)"') or 'UNKNOWN', -1)
    known = known + 1
  end
end
return known
