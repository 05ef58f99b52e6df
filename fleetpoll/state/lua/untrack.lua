-- untrack: forget jobs whatever their status; a lease that holds one of them settles without it. Idempotent.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1…] job ids
-- KEYS[2] schedule  zset job id -> due ms
-- KEYS[3] counts    hash status -> jobs
-- KEYS[4] finished  zset job id -> settled ms
-- KEYS[5] broods, KEYS[6] children, KEYS[7] started: see brood.lua; an array's children are forgotten before it
-- Returns how many jobs were known
local function forget(id)
  local record = redis.call('HGET', KEYS[1], id)
  if not record then return 0 end
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[4], id)
  redis.call('HINCRBY', KEYS[3], string.match(record, '"(%u+)"') or 'UNKNOWN', -1)
  return 1
end
-- A child that is forgotten before it was over: the array's summary does not count it as ended, so follow.lua must not either.
local function leaves(parent, child)
  redis.call('ZREM', KEYS[7], child)
  local brood = redis.call('ZREM', KEYS[6], child) == 1 and redis.call('HGET', KEYS[5], parent)
  if brood then
    brood = cjson.decode(brood)
    brood[7] = brood[7] + 1
    redis.call('HSET', KEYS[5], parent, cjson.encode(brood))
  end
end

local known = 0
for i = 1, #ARGV do
  local id = ARGV[i]
  if string.byte(id, 37) == 58 then -- the colon of a child's id
    leaves(string.sub(id, 1, 36), string.format('%s:%05d', string.sub(id, 1, 36), string.sub(id, 38)))
  elseif redis.call('HDEL', KEYS[5], id) == 1 then -- what is left of them was made meanwhile, and may have been woken
    local first, past = '[' .. id .. ':', '(' .. id .. ';'
    for _, child in ipairs(redis.call('ZRANGEBYLEX', KEYS[6], first, past)) do
      forget(id .. ':' .. tonumber(string.sub(child, 38)))
    end
    redis.call('ZREMRANGEBYLEX', KEYS[6], first, past)
    redis.call('ZREMRANGEBYLEX', KEYS[7], first, past)
  end
  known = known + forget(id)
end
return known
