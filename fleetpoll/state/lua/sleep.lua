-- sleep: the head of settle: which of its jobs are children of arrays that are followed, and sleep until they are woken.
-- KEYS[10] children  zset of "parent:number in five digits", none of them over, see follow.lua
-- KEYS[11] started   zset of those children that were seen to have started
-- Returns nothing: the verb calls sleepers(count, held, after), which gives {id = true, …}; `after` has each job's new status
local function sleepers(count, held, after)
  local children, places, asleep = {}, {}, {}
  for place = 8, count + 7 do
    local id = ARGV[place]
    if held[id] and string.byte(id, 37) == 58 then -- the colon of a child's id
      children[#children + 1] = string.format('%s:%05d', string.sub(id, 1, 36), string.sub(id, 38))
      places[#places + 1] = place
    end
  end
  if #children == 0 then return asleep end

  local over, still, started = {}, {}, {}
  for at, score in ipairs(redis.call('ZMSCORE', KEYS[10], unpack(children))) do
    local id, child = ARGV[places[at]], children[at]
    local status, ended = after[id], ARGV[places[at] + count] == ''
    local runs = status == 'STARTING' or status == 'RUNNING'
    asleep[id] = score and not ended
    if ended then over[#over + 1] = child end
    if ended or status and not runs then still[#still + 1] = child end
    if asleep[id] and runs then started[#started + 1], started[#started + 2] = 0, child end
  end
  if #over > 0 then redis.call('ZREM', KEYS[10], unpack(over)) end
  if #still > 0 then redis.call('ZREM', KEYS[11], unpack(still)) end
  if #started > 0 then redis.call('ZADD', KEYS[11], unpack(started)) end
  return asleep
end
