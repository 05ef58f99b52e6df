-- penalize: AWS said slow down: one shared decrease for the whole fleet. A throttle of a call that was booked before the
-- last cut is the same event and cuts nothing, by the bucket's own stamps. Safe to repeat.
-- KEYS[1] bucket    hash, see reserve.lua
-- ARGV[1] now in us, '' = server clock   ARGV[3] rate_min       ARGV[5] us to hold all calls (AWS's Retry-After)
-- ARGV[2] rate, the ceiling              ARGV[4] stamp in us    ARGV[6] s to climb from 0 to the ceiling
-- ARGV[7] what is left of the rate after a cut, 0…1     ARGV[8] '1' = a worker asks, whose ceiling counts
-- Returns {1 = cut or 0 = same event, granted rate in 1/1000000 s}
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local h = redis.call('HMGET', KEYS[1], 't', 'u', 'g', 'e', 'd', 'pin', 'r')
local rate = tonumber(ARGV[2])
if ARGV[8] ~= '1' and h[7] then rate = tonumber(h[7]) end
local granted = rate
if h[6] then
  granted = tonumber(h[6])
elseif h[3] then
  granted = math.min(rate, tonumber(h[3]) + rate * math.max(0, now - h[4]) / 1e6 / tonumber(ARGV[6]))
end
redis.call('HINCRBY', KEYS[1], 'x', 1)
local last = tonumber(h[5]) or 0
if last > now then last = 0 end -- the server's clock was set back: the stamp says nothing any more
if tonumber(ARGV[4]) <= last then return {0, math.floor(granted * 1e6 + 0.5)} end
local passed = math.max(0, now - (tonumber(h[2]) or now))
local tokens = (tonumber(h[1]) or 0) + passed * granted / 1e6
local stamp = string.format('%.0f', now)
if not h[6] then
  granted = math.max(tonumber(ARGV[3]), granted * tonumber(ARGV[7]))
  redis.call('HSET', KEYS[1], 'g', string.format('%.6f', granted), 'e', stamp)
  redis.call('HINCRBY', KEYS[1], 'k', 1)
end
tokens = math.min(tokens, 0, -tonumber(ARGV[5]) * granted / 1e6)
redis.call('HSET', KEYS[1], 't', string.format('%.6f', tokens), 'u', stamp, 'd', stamp)
return {1, math.floor(granted * 1e6 + 0.5)}
