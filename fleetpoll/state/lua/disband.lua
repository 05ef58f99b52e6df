-- disband: an array is over, or none: wake all children of it that are left, for good, and follow it no more. Idempotent.
-- It is done before the array itself is settled, so that whoever dies in between leaves it to be looked at once more.
-- KEYS[1] to KEYS[8], ARGV[1] to ARGV[6]: see brood.lua
-- Returns {how many were woken, 1 = there are more: call again}
local children = redis.call('ZRANGEBYLEX', KEYS[6], first, past, 'LIMIT', 0, step)
wake(children, true)
count_and_ring()
if #children == step then return {woken, 1} end
redis.call('HDEL', KEYS[5], parent)
return {woken, 0}
