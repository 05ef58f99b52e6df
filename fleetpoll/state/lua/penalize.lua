-- penalize: AWS throttled a call. Cut the granted rate, once for each congestion event of the whole fleet, if it is one.
-- A call whose maker had last heard of the bucket before the last cut belongs to the same event, and only counts.
-- Stray rejections do not cut: suspicion (a CUSUM, Page 1954) rises by 1 a throttle and falls by 1/40 a grant, so that
-- it stays small while fewer than 2.5 % are rejected. The share since it began says how far above the limit we are.
-- KEYS[1] bucket    hash, see law.lua             ARGV[1] to ARGV[6], see law.lua
-- ARGV[7] stamp: when the maker of the call last heard of the bucket, us    ARGV[8] AWS's hint how long to stay away, us
-- Returns {1 = a cut, else 0, rate granted from now on in 1/1000000 s}
redis.call('HINCRBY', KEYS[1], 'x', 1)
local stamp, hint = tonumber(ARGV[7]), tonumber(ARGV[8])
if hint > 0 then h.h = math.max(h.h, now + hint) end
if stamp <= h.d or stamp > now then -- or the server's clock was set back meanwhile: the stamp says nothing any more
  keep()
  return {0, math.floor(rate * 1e6 + 0.5)}
end
h.t = math.min(h.t, 0)
if h.s == 0 then h.sn, h.sx = 0, 0 end
h.s, h.sx = h.s + 1, h.sx + 1
local share = math.min(0.7, (h.sx - 0.9) / (math.max(h.sn, h.sx) + 1)) -- with two calls' worth of doubt: it began with a throttle
local sent = math.min(rate, granted(stamp))
if h.n1 > 0 then -- never credit a rate that was not used
  sent = math.min(sent, math.max(floor, (h.n0 + h.n1) * 1e6 / (now - h.a + slot)))
end
local age, cut = math.max(0, stamp - h.e), false
local estimate = math.max(floor, sent * (1 - share))
if pin then -- the operator's word stands: the throttles are counted, and say nothing of the limit
  h.s = 0
elseif h.w == 0 and rate < ceiling then -- the end of the slow start
  cut = h.s >= 1.9
  if cut then h.w, h.p = math.max(floor, sent * math.min(0.9, 1 - share)), 0.15 end
elseif h.w > 0 and granted(stamp) > h.w then -- the end of a probe
  cut = h.s >= math.max(h.i > 0 and 1.9 or 0.9, math.min(2.9, h.w / 30 - 0.1))
  local x = (age - plateau) / 1e6
  local above = 10 / math.log(2) * (2 ^ (x / 10) - 1) - x -- seconds' worth of tokens above w that the probe was given
  local saved = h.p * plateau / 4e6 -- the same that AWS's bucket may have saved up since the last cut
  if cut and above > 1.2 * saved and estimate > h.w then
    h.w = h.w + (estimate - h.w) * (1 - 1.2 * saved / above) -- more than was saved: the limit is higher
  elseif cut then
    h.w = math.max(floor, h.w * (1 - math.min(0.05, h.i / math.max(1, h.n)))) -- what was rejected at w and below
  end
  if cut then h.p = 0.05 end
else -- at or below what was taken for the limit
  cut = h.s >= 2.4
  if cut then h.w, h.p = estimate, math.max(0.05, math.min(0.15, share)) else h.i = h.i + 1 end
end
if cut then
  h.e, h.d, h.a, h.n0, h.n1, h.n, h.i, h.s, h.sn, h.sx = now, now, now, 0, 0, 0, 0, 0, 0, 0
  redis.call('HINCRBY', KEYS[1], 'k', 1)
end
keep()
return {cut and 1 or 0, math.floor(granted(now) * 1e6 + 0.5)}
