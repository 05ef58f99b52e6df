-- reopen: watch jobs that are over once more, as if nothing were known of them, and publish that. Idempotent.
-- A job that is not over stays as it is.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1] now in ms, '' = server clock
-- KEYS[2] schedule  zset job id -> due ms         ARGV[2] head of a new snapshot's JSON, up to tracked_ms
-- KEYS[3] counts    hash status -> jobs           ARGV[3] tail of a new snapshot's JSON, after tracked_ms
-- KEYS[4] finished  zset job id -> settled ms     ARGV[4] length of the stream
-- KEYS[5] events    stream                        ARGV[5…] job ids
-- KEYS[6] doorbell  channel
-- Returns how many were over
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local stamp, seconds, opened = string.format('%.0f', now), string.format('%.3f', now / 1000), 0
for i = 5, #ARGV do
  local id = ARGV[i]
  if redis.call('ZREM', KEYS[4], id) == 1 then
    local good, record = pcall(cjson.decode, redis.call('HGET', KEYS[1], id) or '[]')
    if not good or type(record) ~= 'table' then record = {} end
    local before, name = tostring(record[1] or 'UNKNOWN'), tostring(record[4] or '')
    redis.call('HSET', KEYS[1], id, ARGV[2] .. stamp .. ARGV[3])
    redis.call('ZADD', KEYS[2], stamp, id)
    redis.call('HINCRBY', KEYS[3], before, -1)
    redis.call('HINCRBY', KEYS[3], 'UNSEEN', 1)
    local event = {'job_id', id, 'job_name', name, 'from', before, 'to', 'UNSEEN', 'attempt', '0', 'exit_code', ''}
    for _, field in ipairs({'reason', 'log_stream', 'created_at', 'started_at', 'stopped_at', 'detected_at'}) do
      event[#event + 1], event[#event + 2] = field, field == 'detected_at' and seconds or ''
    end
    redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', unpack(event))
    opened = opened + 1
  end
end
redis.pcall('HINCRBY', KEYS[3], 'UNSEEN', 0) -- see track.lua
if opened > 0 then redis.call('PUBLISH', KEYS[6], 'track') end
return opened
