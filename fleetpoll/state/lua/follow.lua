-- follow: wake children of an array when its summary tells of more ends than we have seen; they sleep again, see settle.lua.
-- It only compares, so that a lost reply or a summary that lags costs nothing but time. Those that were seen to have started
-- are woken first, and beside them a part of all, in a circle: as many as the summary says have started or ended without our
-- having seen it, twice, at least 100, and twice as many each time that was in vain; STEP in all at most. As long as some are
-- found this goes on from look to look; in vain, only every PAUSE, and in the long run every twelve.
-- KEYS[1] to KEYS[8], ARGV[1] to ARGV[6]: see brood.lua
-- ARGV[7] children that have ended     ARGV[8] children that are STARTING or RUNNING     ARGV[9] PAUSE in ms
-- Returns {how many were woken, 1 = the children are still being made: call again}
local ended, running, pause = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local found = size - redis.call('ZLEXCOUNT', KEYS[6], first, past) - brood[7]
local missing, vain = ended - found, found > brood[4] and 0 or brood[5] + 1
local early = vain > 0 and now - brood[6] < pause * math.min(12, 2 ^ math.max(0, vain - 16))
if missing <= 0 or early then return {0, 0} end

local function circle(range, at, count)
  local last = brood[at]
  local next = range(last == '' and first or '(' .. last, past, count)
  if #next < count and last ~= '' then
    for _, child in ipairs(range(first, '[' .. last, count - #next)) do next[#next + 1] = child end
  end
  brood[at] = next[#next] or ''
  wake(next, false)
  return #next
end
local function started(from, to, count) return redis.call('ZRANGEBYLEX', KEYS[7], from, to, 'LIMIT', 0, count) end
local function all(from, to, count) return redis.call('ZRANGEBYLEX', KEYS[6], from, to, 'LIMIT', 0, count) end

local unseen = math.max(0, running - redis.call('ZLEXCOUNT', KEYS[7], first, past))
local others = math.min(step, math.max(100, 2 * (unseen + missing)) * 2 ^ math.min(vain, 10))
local taken = circle(started, 2, math.max(step / 2, step - others))
circle(all, 3, math.min(others, step - taken))
brood[4], brood[5], brood[6] = found, vain, now
keep()
count_and_ring()
return {woken, 0}
