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
local record, records, due = ARGV[2] .. string.format('%.0f', now) .. ARGV[3], {}, {}
local known = #ARGV > 3 and redis.call('HMGET', KEYS[1], unpack(ARGV, 4)) or {}
for i = 4, #ARGV do
  if not known[i - 3] then
    records[#records + 1], records[#records + 2] = ARGV[i], record
    due[#due + 1], due[#due + 2] = now, ARGV[i]
  end
end
if #records > 0 then
  redis.call('ZADD', KEYS[2], unpack(due))
  local new = redis.call('HSET', KEYS[1], unpack(records)) -- fewer than there are, if an id was given twice
  redis.call('HINCRBY', KEYS[3], 'UNSEEN', new)
  redis.call('PUBLISH', KEYS[4], 'track')
  return new
end
if #ARGV > 3 then redis.call('HSETNX', KEYS[1], ARGV[4], record) end -- changes nothing, but who may not write hears of it
redis.pcall('HINCRBY', KEYS[3], 'UNSEEN', 0) -- WAIT waits for what was written: a repeated call is to wait as well
return 0
