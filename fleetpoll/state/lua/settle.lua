-- settle: close a lease with results: record, publish and reschedule in one step, for each job that is still held.
-- It also takes in what the worker has learnt, see learn.lua, but not twice: only if a job was still held.
-- Fenced: a job whose score is not the fence any more belongs to somebody else and is left alone, so that a late or a
-- repeated settle changes nothing. Each job is five fields, and four transitions more when it moved:
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] now in ms, '' = server clock     ARGV[4] ids in the call, 0 = count no call
-- KEYS[2] ledger    hash job id -> snapshot       ARGV[2] fence                            ARGV[6…] per job: id,
-- KEYS[3] counts    hash status -> jobs           ARGV[3] length of the stream                 ms until the next look ('' = finished; see claim.lua),
-- KEYS[4] finished  zset job id -> settled ms                                                  snapshot ('' = as it was),
-- KEYS[5] events    stream                                                                     status before, status now ('' = no transition),
-- KEYS[6] totals    hash counter -> number                                                     n, and n fields and values of the event
-- KEYS[10] children, KEYS[11] started: zsets of the children of arrays that are followed, see follow.lua
-- Returns {kept, lost, price, page, page, …}: how many jobs were still held, how many were not, and what learn.lua adds
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- Whether a job is the child of an array that is followed, and not over: then it sleeps until it is woken.
local function sleeps(id, after, over)
  local child, runs = string.format('%s:%05d', string.sub(id, 1, 36), string.sub(id, 38)), after == 'STARTING' or after == 'RUNNING'
  if over then redis.call('ZREM', KEYS[10], child) end
  if over or after ~= '' and not runs then redis.call('ZREM', KEYS[11], child) end
  local asleep = not over and redis.call('ZSCORE', KEYS[10], child)
  if asleep and runs then redis.call('ZADD', KEYS[11], 0, child) end
  return asleep
end

local fence, kept, lost = tonumber(ARGV[2]), 0, 0
local i = 6
while i <= #ARGV do
  local id, delay, record, before, after, n = unpack(ARGV, i, i + 5)
  n = tonumber(n)
  if tonumber(redis.call('ZSCORE', KEYS[1], id) or 0) == fence then
    kept = kept + 1
    if record ~= '' then redis.call('HSET', KEYS[2], id, record) end
    if after ~= '' then
      redis.call('HINCRBY', KEYS[3], before, -1)
      redis.call('HINCRBY', KEYS[3], after, 1)
      redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, i + 6, i + 5 + n))
    end
    local over = delay == ''
    local asleep = string.byte(id, 37) == 58 and sleeps(id, after, over) -- 58 is the colon of a child's id
    if over or asleep then redis.call('ZREM', KEYS[1], id) end
    if over then
      redis.call('ZADD', KEYS[4], string.format('%.0f', now), id)
    elseif not asleep then
      redis.call('ZADD', KEYS[1], string.format('%.12f', now + tonumber(delay)), id)
    end
  else
    lost = lost + 1
  end
  i = i + 6 + n
end
if ARGV[4] ~= '0' and kept > 0 then
  redis.call('HINCRBY', KEYS[6], 'calls', 1)
  redis.call('HINCRBY', KEYS[6], 'ids', ARGV[4])
end
local reply = {kept, lost}
if ARGV[5] ~= '' and kept > 0 then learn(now, reply) end
return reply
