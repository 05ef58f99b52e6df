-- track: start to watch jobs; a job that is known already, live or finished, stays as it is. Idempotent.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1] now in ms, '' = server clock
-- KEYS[2] schedule  zset job id -> due ms         ARGV[2] head of a new snapshot's JSON, up to tracked_ms
-- KEYS[3] counts    hash status -> jobs           ARGV[3] tail of a new snapshot's JSON, after tracked_ms
-- KEYS[4] doorbell  channel                       ARGV[4…] job ids
-- Returns how many jobs were new
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local stamp = string.format('%.0f', now)
local record = ARGV[2] .. stamp .. ARGV[3]
local new = 0
for i = 4, #ARGV do
  if redis.call('HSETNX', KEYS[1], ARGV[i], record) == 1 then
    redis.call('ZADD', KEYS[2], stamp, ARGV[i])
    new = new + 1
  end
end
if new > 0 then
  redis.call('HINCRBY', KEYS[3], 'UNSEEN', new)
  redis.call('PUBLISH', KEYS[4], 'track')
else
  redis.pcall('HINCRBY', KEYS[3], 'UNSEEN', 0) -- WAIT waits for what was written: a repeated call is to wait as well
end
return new
