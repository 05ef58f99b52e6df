-- refund: give back tokens that were reserved and will not be used, as far as that takes nobody's place.
-- The last of the row leaves it shorter; one whose time has come is there for the next, if nobody waits. Any other is lost:
-- those before it may not go sooner, those behind it may sleep their last half second and not hear that they could, and
-- whoever took its place at the end would go together with the last of them.
-- KEYS[1] bucket    hash, see law.lua             ARGV[1] to ARGV[6], see law.lua
-- ARGV[7…] how many, and their position (see reserve.lua), of one reservation after the other, the last of the row first
-- Returns how many tokens were given back
local back = 0
for i = 7, #ARGV, 2 do
  local many, position = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local unneeded = position <= h.v and h.t >= 0
  if unneeded or math.abs(h.v - h.t - position) < 1e-3 then h.t, back = h.t + many, back + many end
end
keep()
if back > 0 then
  redis.call('HINCRBY', KEYS[1], 'c', -back)
  redis.call('HINCRBY', KEYS[1], 'g', back)
end
return back
