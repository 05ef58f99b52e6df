-- steer: the operator's hand on a bucket: pin the rate or let it go, pause or resume. Idempotent.
-- What has come in so far came in at the rate until now. During a pause nothing comes in, so that its end is no burst.
-- KEYS[1] bucket    hash, see law.lua             ARGV[1] to ARGV[6], see law.lua
-- ARGV[7] pin, unpin, pause or resume             ARGV[8] the rate to pin
-- Returns 1
keep()
if ARGV[7] == 'pin' then
  redis.call('HSET', KEYS[1], 'pin', ARGV[8])
elseif ARGV[7] == 'pause' then
  redis.call('HSET', KEYS[1], 'pause', '1')
else
  redis.call('HDEL', KEYS[1], ARGV[7] == 'unpin' and 'pin' or 'pause')
end
return 1
