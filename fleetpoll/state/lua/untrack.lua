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

local known, left = 0, {} -- parent -> children that are forgotten before they are over
for i = 1, #ARGV do
  local id = ARGV[i]
  if string.byte(id, 37) == 58 then -- the colon of a child's id
    local parent = string.sub(id, 1, 36)
    local child = string.format('%s:%05d', parent, string.sub(id, 38))
    left[parent] = (left[parent] or 0) + redis.call('ZREM', KEYS[6], child)
    redis.call('ZREM', KEYS[7], child)
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
for parent, children in pairs(left) do -- the array's summary does not count them as ended, so follow.lua must not either
  local brood = children > 0 and redis.call('HGET', KEYS[5], parent)
  if brood then
    brood = cjson.decode(brood)
    brood[7] = brood[7] + children
    redis.call('HSET', KEYS[5], parent, cjson.encode(brood))
  end
end
return known
