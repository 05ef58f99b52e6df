-- follow: wake children of an array when its summary tells of more ends than we have seen; they sleep again, see settle.lua.
-- It only compares, so that a lost reply or a summary that lags costs nothing but time. Those that were seen to have started
-- are woken first, and beside them a part of all, in a circle: as many as the summary says have started without our having
-- seen it, twice, at least 100, and twice as many as last time if what was looked for then is not found yet; STEP at most.
-- KEYS[1] to KEYS[8], ARGV[1] to ARGV[6]: see brood.lua
-- ARGV[7] children that have ended     ARGV[8] children that are STARTING or RUNNING
-- Returns {how many were woken, 1 = the children are still being made: call again}
local ended, running = tonumber(ARGV[7]), tonumber(ARGV[8])
local found = size - redis.call('ZLEXCOUNT', KEYS[6], first, past)
local missing, stride = ended - found, brood[4]
if missing <= 0 then
  if stride > 0 then
    brood[4] = 0
    keep()
  end
  return {0, 0}
end

local function circle(range, at, count)
  local last = brood[at]
  local next = range(last == '' and first or '(' .. last, past, count)
  if #next < count and last ~= '' then
    for _, child in ipairs(range(first, '[' .. last, count - #next)) do next[#next + 1] = child end
  end
  brood[at] = next[#next] or ''
  for _, child in ipairs(next) do wake(child, false) end
end
local function started(from, to, count) return redis.call('ZRANGEBYLEX', KEYS[7], from, to, 'LIMIT', 0, count) end
local function all(from, to, count) return redis.call('ZRANGEBYLEX', KEYS[6], from, to, 'LIMIT', 0, count) end

local unseen = math.max(0, running - redis.call('ZLEXCOUNT', KEYS[7], first, past))
local others = math.max(100, 2 * (unseen + missing), found < brood[5] and 2 * stride or 0)
brood[4], brood[5] = math.min(others, step / 2), ended
circle(started, 2, step - brood[4])
circle(all, 3, brood[4])
keep()
count_and_ring()
return {woken, 0}
