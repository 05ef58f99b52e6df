-- untrack: forget jobs whatever their status; a lease that holds one of them settles without it. Idempotent.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1…] job ids
-- KEYS[2] schedule  zset job id -> due ms
-- KEYS[3] counts    hash status -> jobs
-- KEYS[4] finished  zset job id -> settled ms
-- KEYS[5] broods, KEYS[6] children, KEYS[7] started: see brood.lua; an array's children are forgotten before it
-- Returns how many jobs were known
local known = 0
for i = 1, #ARGV do
  if string.byte(ARGV[i], 37) == 58 then -- the colon of a child's id
    local child = string.format('%s:%05d', string.sub(ARGV[i], 1, 36), string.sub(ARGV[i], 38))
    redis.call('ZREM', KEYS[6], child)
    redis.call('ZREM', KEYS[7], child)
  elseif redis.call('HDEL', KEYS[5], ARGV[i]) == 1 then -- what is left of them was made meanwhile
    redis.call('ZREMRANGEBYLEX', KEYS[6], '[' .. ARGV[i] .. ':', '(' .. ARGV[i] .. ';')
    redis.call('ZREMRANGEBYLEX', KEYS[7], '[' .. ARGV[i] .. ':', '(' .. ARGV[i] .. ';')
  end
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
