-- beat: a worker shows that it is alive, and hears what the fleet is told to do. Idempotent.
-- KEYS[1] roster    hash worker id -> "ms facts"  ARGV[1] now in ms, '' = server clock
-- KEYS[2] order     string                        ARGV[2] worker id
-- KEYS[3] leases    hash worker id -> fence       ARGV[3] facts (JSON), '' = the worker leaves
-- KEYS[4] troubles  hash, see trouble.lua          KEYS[5] doorbell, channel
-- Returns {now, order, 1 = the roster did not know this worker, else 0}
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local new = 0
local stamp = string.format('%.0f', now)
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
  redis.call('HDEL', KEYS[3], ARGV[2])
  redis.call('HDEL', KEYS[4], ARGV[2])
  redis.call('PUBLISH', KEYS[5], 'track') -- what it gave back is to be had; the idle may sleep until its lease would end
else
  new = redis.call('HSET', KEYS[1], ARGV[2], stamp .. ' ' .. ARGV[3])
end
return {stamp, redis.call('GET', KEYS[2]) or '', new}
