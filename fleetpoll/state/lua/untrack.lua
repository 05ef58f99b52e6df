-- untrack: forget jobs whatever their status; a lease that holds one of them settles without it. Idempotent.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1] STEP: of how many children an array is forgotten at once
-- KEYS[2] schedule  zset job id -> due ms         ARGV[2…] job ids, at most 1,000
-- KEYS[3] counts    hash status -> jobs
-- KEYS[4] finished  zset job id -> settled ms
-- KEYS[5] broods, KEYS[6] children, KEYS[7] started: see brood.lua; an array's children are forgotten before it
-- Returns {how many jobs were known, 1 = an array is left, because it has more children: call again}
local function forget(ids)
  local counts, known = {}, 0
  for _, record in ipairs(redis.call('HMGET', KEYS[1], unpack(ids))) do
    local status = record and (string.match(record, '"(%u+)"') or 'UNKNOWN')
    if status then counts[status], known = (counts[status] or 0) + 1, known + 1 end
  end
  if known == 0 then return 0 end
  redis.call('HDEL', KEYS[1], unpack(ids)) -- what frees memory comes first, see sweep.lua
  redis.call('ZREM', KEYS[2], unpack(ids))
  redis.call('ZREM', KEYS[4], unpack(ids))
  for status, count in pairs(counts) do redis.call('HINCRBY', KEYS[3], status, -count) end
  return known
end

local function leave(children) -- what is known of them as children
  redis.call('ZREM', KEYS[7], unpack(children))
  return redis.call('ZREM', KEYS[6], unpack(children))
end

local step, more, ids, given, children = tonumber(ARGV[1]), 0, {}, {}, {} -- children: parent -> {child, …}
local broods = #ARGV > 1 and redis.call('EXISTS', KEYS[5]) == 1 and redis.call('HMGET', KEYS[5], unpack(ARGV, 2))
for i = 2, #ARGV do
  local id, waits = ARGV[i], false
  if broods and broods[i - 1] and not given[id] then -- what is left of its children was made meanwhile, and may have been woken
    local left, theirs = redis.call('ZRANGEBYLEX', KEYS[6], '[' .. id .. ':', '(' .. id .. ';', 'LIMIT', 0, step), {}
    for at, child in ipairs(left) do theirs[at] = id .. ':' .. tonumber(string.sub(child, 38)) end
    if #left > 0 then forget(theirs) end
    if #left > 0 then leave(left) end
    waits, step = #left == step, step - #left
    if waits then more = 1 else redis.call('HDEL', KEYS[5], id) end
  elseif string.byte(id, 37) == 58 then -- the colon of a child's id
    local parent = string.sub(id, 1, 36)
    children[parent] = children[parent] or {}
    table.insert(children[parent], string.format('%s:%05d', parent, string.sub(id, 38)))
  end
  if not waits and not given[id] then ids[#ids + 1], given[id] = id, true end
end
for parent, theirs in pairs(children) do -- the array's summary does not count them as ended, so follow.lua must not either
  local before_over = leave(theirs)
  local brood = before_over > 0 and redis.call('HGET', KEYS[5], parent)
  if brood then
    brood = cjson.decode(brood)
    brood[7] = brood[7] + before_over
    redis.call('HSET', KEYS[5], parent, cjson.encode(brood))
  end
end
return {#ids > 0 and forget(ids) or 0, more}
