-- reserve: take N tokens from the fleet's bucket, in debt if need be; the answer is a time to wait, not yes or no.
-- A bucket that nobody has used before starts empty: never a free burst after a lost Redis.
-- KEYS[1] bucket    hash: t tokens (negative = booked ahead), u their time in us, g the rate granted at the last cut
--                   (absent = never cut), e time of that cut in us, d stamp of the last cut in us, c tokens granted,
--                   x throttles seen, k cuts; the operator's: pin a pinned rate, pause '1'; the workers': r their
--                   ceiling, b their burst, by which everybody else goes as well
-- ARGV[1] now in us, '' = server clock   ARGV[3] burst, '' = max(1, granted / 4)   ARGV[5] the longest wait in us
-- ARGV[2] rate, the ceiling              ARGV[4] N                                 ARGV[6] s to climb from 0 to the ceiling
-- ARGV[7] tokens given back first        ARGV[8] '1' = a worker asks, whose ceiling and burst count
-- Returns {state, wait us, stamp us, granted rate in 1/1000000 s}; state 1 = granted, 0 = would wait longer than allowed,
--         -1 = N can never fit, -2 = paused by the operator; nothing is taken unless granted, nothing at all for N = 0
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local h = redis.call('HMGET', KEYS[1], 't', 'u', 'g', 'e', 'pin', 'pause', 'r', 'b')
local rate, depth = tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[8] ~= '1' and h[7] then rate, depth = tonumber(h[7]), tonumber(h[8]) end
local granted = rate
if h[5] then
  granted = tonumber(h[5])
elseif h[3] then
  granted = math.min(rate, tonumber(h[3]) + rate * math.max(0, now - h[4]) / 1e6 / tonumber(ARGV[6]))
end
local stamp, micro = string.format('%.0f', now), math.floor(granted * 1e6 + 0.5)
if h[6] == '1' then return {-2, 0, stamp, micro} end
local want = tonumber(ARGV[4])
if want == 0 then return {1, 0, stamp, micro} end
if want > (depth or math.max(1, rate / 4, granted / 4)) then return {-1, 0, stamp, micro} end
local since = tonumber(h[2]) or now
if since > now then -- the server's clock was set back: the refill goes on from here
  since = now
  redis.call('HSET', KEYS[1], 'u', stamp)
end
local full = math.max(want, depth or math.max(1, granted / 4))
local tokens = (tonumber(h[1]) or 0) + (now - since) * granted / 1e6 + tonumber(ARGV[7])
local left = math.min(full, tokens) - want
local wait = math.max(0, math.ceil(-left / granted * 1e6))
if wait > tonumber(ARGV[5]) then return {0, wait, stamp, micro} end
redis.call('HSET', KEYS[1], 't', string.format('%.6f', left), 'u', stamp)
if ARGV[8] == '1' then redis.call('HSET', KEYS[1], 'r', ARGV[2], 'b', ARGV[3]) end
redis.call('HINCRBY', KEYS[1], 'c', want - tonumber(ARGV[7]))
return {1, wait, stamp, micro}
