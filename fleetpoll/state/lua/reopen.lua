-- reopen: watch jobs that are over once more, as if nothing were known of them, and publish that. Idempotent.
-- A job that is not over stays as it is.
-- KEYS[1] ledger    hash job id -> snapshot       ARGV[1] now in ms, '' = server clock
-- KEYS[2] schedule  zset job id -> due ms         ARGV[2] head of a new snapshot's JSON, up to tracked_ms
-- KEYS[3] counts    hash status -> jobs           ARGV[3] tail of a new snapshot's JSON, after tracked_ms
-- KEYS[4] finished  zset job id -> settled ms     ARGV[4] length of the stream
-- KEYS[5] events    stream                        ARGV[5…] job ids
-- KEYS[6] doorbell  channel                       KEYS[7] figures, hash, see state/figures.py
-- Returns how many were over
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local stamp, seconds, opened = string.format('%.0f', now), string.format('%.3f', now / 1000), {}
local over = #ARGV > 4 and redis.call('ZMSCORE', KEYS[4], unpack(ARGV, 5)) or {}
for i = 5, #ARGV do
  if over[i - 4] and not opened[ARGV[i]] then opened[#opened + 1], opened[ARGV[i]] = ARGV[i], true end
end
local records, due, counts = {}, {}, {}
for at, text in ipairs(#opened > 0 and redis.call('HMGET', KEYS[1], unpack(opened)) or {}) do
  local id, good, record = opened[at], pcall(cjson.decode, text or '[]')
  if not good or type(record) ~= 'table' then record = {} end
  local before, name = tostring(record[1] or 'UNKNOWN'), tostring(record[4] or '')
  records[#records + 1], records[#records + 2] = id, ARGV[2] .. stamp .. ARGV[3]
  due[#due + 1], due[#due + 2], counts[before] = now, id, (counts[before] or 0) - 1
  local event = {'job_id', id, 'job_name', name, 'from', before, 'to', 'UNSEEN', 'attempt', '0', 'exit_code', ''}
  for _, field in ipairs({'reason', 'log_stream', 'created_at', 'started_at', 'stopped_at', 'detected_at'}) do
    event[#event + 1], event[#event + 2] = field, field == 'detected_at' and seconds or ''
  end
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', unpack(event))
end
redis.pcall('HINCRBY', KEYS[3], 'UNSEEN', #opened) -- even 0, see track.lua
if #opened == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(records))
redis.call('ZADD', KEYS[2], unpack(due))
redis.call('ZREM', KEYS[4], unpack(opened))
for status, more in pairs(counts) do
  redis.call('HINCRBY', KEYS[3], status, more)
  redis.pcall('HINCRBY', KEYS[7], status .. '>UNSEEN', -more)
end
redis.call('PUBLISH', KEYS[6], 'track')
return #opened
