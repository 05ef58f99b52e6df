-- adopt: follow the children of arrays through the arrays' own summaries. Idempotent.
-- An array that is known to be over is looked at once more, because nothing is known of its children yet.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1] now in ms, '' = server clock
-- KEYS[2] schedule  zset job id -> due ms         ARGV[2] head of a new snapshot's JSON, up to tracked_ms
-- KEYS[3] counts    hash status -> jobs           ARGV[3] tail of a new snapshot's JSON, after tracked_ms
-- KEYS[4] finished  zset job id -> settled ms     ARGV[4…] ids of arrays
-- KEYS[5] broods    hash parent -> JSON, see brood.lua
-- KEYS[6] doorbell  channel
-- Returns how many were not followed yet
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local stamp, new, adopted = string.format('%.0f', now), 0, 0
for i = 4, #ARGV do
  local id = ARGV[i]
  new = new + redis.call('HSETNX', KEYS[1], id, ARGV[2] .. stamp .. ARGV[3])
  if redis.call('HSETNX', KEYS[5], id, '[0,"","",-1,0,0,0]') == 1 then
    adopted = adopted + 1
    redis.call('ZREM', KEYS[4], id)
    local score = redis.call('ZSCORE', KEYS[2], id)
    if not score or tonumber(score) % 1 < 0.5 then redis.call('ZADD', KEYS[2], stamp, id) end -- else somebody looks at it now
  end
end
redis.pcall('HINCRBY', KEYS[3], 'UNSEEN', new) -- even 0, see track.lua
if adopted > 0 then redis.call('PUBLISH', KEYS[6], 'track') end
return adopted
