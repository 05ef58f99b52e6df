-- lapse: the head of claim: what becomes of leases that were not closed; those whose time ran out are counted: who held them
-- died, hung or was cut off. Each is counted once, when one of its jobs is claimed again: the rest of it is plainly due then.
-- KEYS[1] schedule  zset job id -> due ms         KEYS[8] figures   hash figure -> number, see state/figures.py
-- Returns nothing: the verb calls take_back(fence, due, now) for the last lease of who claims, and for the first `count` of the
-- jobs that it is about to lend lapsed(due, count), where due is {id, score, …}
local function close(fence, due)
  local left, plain = redis.call('ZRANGEBYSCORE', KEYS[1], fence, fence), {}
  for _, id in ipairs(left) do plain[#plain + 1], plain[#plain + 2] = due, id end
  if #left > 0 then redis.call('ZADD', KEYS[1], unpack(plain)) end
  return #left > 0
end

local function expired() redis.pcall('HINCRBY', KEYS[8], 'expired', 1) end

local function take_back(fence, due, now)
  if close(fence, due) and tonumber(fence) <= now then expired() end
end

local function lapsed(due, count)
  local seen = {}
  for at = 2, 2 * count, 2 do
    local fence = due[at]
    if fence % 1 >= 0.5 and not seen[fence] then
      seen[fence] = close(fence, math.floor(fence))
      expired()
    end
  end
end
