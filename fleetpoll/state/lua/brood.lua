-- brood: the head of the verbs on an array whose children are followed: know them by number, and how to wake one.
-- A child that is not over and not on the schedule sleeps: nobody looks at it. The first calls make the children, STEP each.
-- KEYS[1] schedule  zset job id -> due ms         KEYS[5] broods    hash parent -> [children made; the last of the started and
-- KEYS[2] ledger    hash job id -> snapshot        of all that was woken; then: how many were over, wakings in vain, ms;
-- and how many were forgotten before they were over, see untrack.lua]
-- KEYS[3] counts    hash status -> jobs           KEYS[6] children  zset of "parent:number in five digits", none of them over
-- KEYS[4] finished  zset job id -> settled ms     KEYS[7] started   zset of those children that were seen to have started
-- KEYS[8] doorbell  channel                       ARGV[1] now in ms, '' = server clock     ARGV[2] parent   ARGV[3] STEP
-- ARGV[4] head and ARGV[5] tail of a new snapshot's JSON, see track.lua     ARGV[6] size of the array, 0 = not known
-- Returns {0, 1} while there are children to be made, {0, 0} if nobody follows the array; else the verb goes on
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local parent, step, size = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[6])
local stamp, first, past = string.format('%.0f', now), '[' .. parent .. ':', '(' .. parent .. ';'
local brood = redis.call('HGET', KEYS[5], parent)
if not brood then return {0, 0} end
brood = cjson.decode(brood)
local function keep() redis.call('HSET', KEYS[5], parent, cjson.encode(brood)) end

local made = brood[1]
if made < size then
  local children = {}
  brood[1] = math.min(size, made + step)
  for number = made, brood[1] - 1 do
    children[#children + 1] = 0
    children[#children + 1] = string.format('%s:%05d', parent, number)
  end
  redis.call('ZADD', KEYS[6], unpack(children))
  keep()
  return {0, 1}
end

local woken, new = 0, 0
local function wake(sleeping, for_good)
  if #sleeping == 0 then return end
  local ids, gone, records, due = {}, {}, {}, {}
  for at, child in ipairs(sleeping) do ids[at] = parent .. ':' .. tonumber(string.sub(child, 38)) end
  local settled = redis.call('ZMSCORE', KEYS[4], unpack(ids)) -- by a release that knows nothing of broods
  local known = redis.call('HMGET', KEYS[2], unpack(ids))
  for at, id in ipairs(ids) do
    if settled[at] or for_good then gone[#gone + 1] = sleeping[at] end
    if not settled[at] then due[#due + 1], due[#due + 2] = now, id end
    if not settled[at] and not known[at] then records[#records + 1], records[#records + 2] = id, ARGV[4] .. stamp .. ARGV[5] end
  end
  if #records > 0 then new = new + redis.call('HSET', KEYS[2], unpack(records)) end
  if #due > 0 then woken = woken + redis.call('ZADD', KEYS[1], 'NX', unpack(due)) end
  if #gone > 0 then redis.call('ZREM', KEYS[6], unpack(gone)) end
  if #gone > 0 then redis.call('ZREM', KEYS[7], unpack(gone)) end
end
local function count_and_ring()
  if new > 0 then redis.call('HINCRBY', KEYS[3], 'UNSEEN', new) end
  if woken > 0 then redis.call('PUBLISH', KEYS[8], 'track') end
end
