-- reserve: take N tokens from the fleet's bucket, in debt if need be; the answer is a time to wait, not yes or no.
-- A bucket that nobody has used before starts empty: never a free burst after a lost Redis. N = 0 only looks.
-- KEYS[1] bucket    hash, see law.lua             ARGV[1] to ARGV[6], see law.lua
-- ARGV[7] N   ARGV[8] the longest wait in us
-- Returns {state, wait us, stamp us, granted rate in 1/1000000 s, position: the count of tokens come in at which the
--         token may be used}; state 1 = granted, 0 = would wait longer than allowed, -1 = N can never fit, -2 = paused
--         by the operator; nothing is taken unless granted. For N = 0 the wait is AWS's hint alone, the position now
local want = tonumber(ARGV[7])
local stamp, micro = string.format('%.0f', now), math.floor(rate * 1e6 + 0.5)
local hold = math.max(0, h.h - now)
if paused then return {-2, 0, stamp, micro, text(h.v)} end
if want == 0 then return {1, hold, stamp, micro, text(h.v)} end
if want > (depth or math.max(1, ceiling / 4, rate / 4)) then return {-1, 0, stamp, micro, text(h.v)} end
local left = h.t - want
local wait = math.ceil(hold + math.max(0, -left / rate * 1e6 - 1e-3))
if wait > tonumber(ARGV[8]) then
  if fresh then keep() end -- else who never waits would find it empty for ever
  return {0, wait, stamp, micro, text(h.v)}
end
h.t, h.n0, h.n, h.sn = left, h.n0 + want, h.n + want, h.sn + want
h.s = math.max(0, h.s - want / 40)
keep()
if ARGV[6] == '1' and (own[3] ~= ARGV[2] or own[4] ~= ARGV[3] or own[5] ~= ARGV[4] or own[6] ~= ARGV[5]) then
  redis.call('HSET', KEYS[1], 'r', ARGV[2], 'b', ARGV[3], 'l', ARGV[4], 'f', ARGV[5])
end
redis.call('HINCRBY', KEYS[1], 'c', want)
return {1, wait, stamp, micro, text(h.v + math.max(0, -left))}
