-- law: the head of the scripts on a bucket: read it, refill it, know the rate that is granted now.
-- The rate follows one curve for the whole fleet, in time since the last cut (CUBIC's shape, RFC 9438, free of scale):
--   no limit met yet   START · 2^(t / 5 s), the slow start
--   t < K              w · (1 - depth · (1 - t/K)³), from just below the limit w up to it; K = 20 s, up to 40 s below 7.5/s
--   after K            w · 2^((t - K) / 10 s): a probe, whether the limit is higher by now
-- always within the floor and the ceiling. While the bucket is full, or pinned, nothing is tried: the curve stands still.
-- KEYS[1] bucket    hash: t tokens (negative = booked ahead), u their time in us, v tokens that have come in ever (the
--                   clock of permits), w the limit as last met (0 = never), e start of the curve and d the last cut in us,
--                   p depth; a, n0, n1 grants in this slot and the one before; n grants and i stray throttles since the
--                   last cut; s, sn, sx suspicion, grants and throttles since it began; h AWS's hint: no call before, us;
--                   c tokens granted and not given back, g given back, x throttles seen, k cuts; the operator's: pin a
--                   pinned rate, pause '1';
--                   the workers' own: r ceiling, b burst, l floor, f start, by which everybody else goes as well
-- ARGV[1] now in us, '' = server clock   ARGV[3] burst, '' = max(1, granted / 4)   ARGV[5] start of the slow start
-- ARGV[2] rate, the ceiling              ARGV[4] rate_min, the floor               ARGV[6] '1' = a worker asks
-- Returns nothing: the verb goes on with now, rate, tokens, … below
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local h, names = {}, {'t', 'u', 'v', 'w', 'e', 'd', 'p', 'a', 'n0', 'n1', 'n', 'i', 's', 'sn', 'sx', 'h'}
local own = redis.call('HMGET', KEYS[1], 'pin', 'pause', 'r', 'b', 'l', 'f', unpack(names))
for at, name in ipairs(names) do h[name] = tonumber(own[at + 6]) or 0 end
local pin, paused = tonumber(own[1]), own[2] == '1'
local mine = ARGV[6] == '1' or not own[6]
local ceiling, depth = tonumber(mine and ARGV[2] or own[3]), tonumber(mine and ARGV[3] or own[4])
local floor, start = tonumber(mine and ARGV[4] or own[5]), tonumber(mine and ARGV[5] or own[6])
local fresh = h.u == 0 or h.u > now -- never used; or the server's clock was set back: go on from here
if h.u > now then h.d, h.h = math.min(h.d, now), 0 end
if fresh then h.u, h.a, h.e = now, now, h.e > 0 and math.min(h.e, now) or now end

local plateau = math.min(40, math.max(20, 150 / math.max(h.w, 1))) * 1e6
local function curve(age)
  if h.w == 0 then return start * 2 ^ math.min(40, age / 5e6) end
  if age < plateau then return h.w * (1 - h.p * (1 - age / plateau) ^ 3) end
  return h.w * 2 ^ math.min(40, (age - plateau) / 10e6)
end
local function granted(at) return pin or math.max(floor, math.min(ceiling, curve(math.max(0, at - h.e)))) end

local passed = paused and 0 or math.max(0, now - math.max(h.u, h.h))
h.e = math.min(now, h.e + now - h.u - passed) -- nor while nothing comes in: in a pause, and while AWS's hint holds
local rate = granted(now)
local full = depth or math.max(1, rate / 4)
local come = math.min(passed * rate / 1e6, math.max(0, full - h.t))
if pin or h.t + come >= full then h.e = math.min(now, h.e + passed) end
rate = granted(now)
h.t, h.v, h.u = math.min(full, h.t + come), h.v + come, now
local slot = math.max(1e6, 10e6 / rate)
if now - h.a >= slot then h.n1, h.n0, h.a = now - h.a < 2 * slot and h.n0 or 0, 0, now end
local function text(number) return string.format('%.6f', number) end
local function keep()
  local flat = {}
  for _, name in ipairs(names) do
    flat[#flat + 1] = name
    flat[#flat + 1] = h[name] % 1 == 0 and string.format('%.0f', h[name]) or text(h[name])
  end
  redis.call('HSET', KEYS[1], unpack(flat))
end
