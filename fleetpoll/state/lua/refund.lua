-- refund: give back tokens that were reserved and will not be used, as far as that takes nobody's place.
-- One whose time has come moves everybody behind it up; the last of the row leaves it shorter. One from the middle is
-- lost: those before it may not go sooner, and whoever took its place at the end would share the last one's.
-- KEYS[1] bucket    hash, see law.lua             ARGV[1] to ARGV[6], see law.lua
-- ARGV[7…] how many, and their position (see reserve.lua), of one reservation after the other, the last of the row first
-- Returns how many tokens were given back
local back = 0
for i = 7, #ARGV, 2 do
  local many, position = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local come = position <= h.v
  if come or math.abs(h.v - h.t - position) < 1e-3 then
    if come and h.t < 0 then h.v = h.v + many end
    h.t, back = h.t + many, back + many
  end
end
keep()
if back > 0 then redis.call('HINCRBY', KEYS[1], 'c', -back) end
return back
