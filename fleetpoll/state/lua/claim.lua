-- claim: lend up to LIMIT jobs to one worker until the visibility timeout has passed, by re-scoring them to that moment.
-- A claim that finds due jobs tops up with the soonest that are not yet due: a call costs the same with 1 id or 100.
-- It waits while fewer than LIMIT jobs are due and the oldest is not overdue by PATIENCE yet.
-- A leased job's score is the lease's fence and ends in a part of a millisecond that tells it from a due time, and from
-- another lease of the same millisecond: it is never topped up with.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] now in ms, '' = server clock     ARGV[3] visibility ms
-- KEYS[2] ledger    hash job id -> snapshot       ARGV[2] limit                            ARGV[4] patience ms
-- KEYS[3] totals    hash counter -> number
-- Returns {now, live, fence, due ms of the oldest, id, snapshot, id, snapshot, …}
--      or {now, live, '', ms until it may be worth asking}
--         where -1 ms means that nothing is scheduled at all
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local limit, patience = tonumber(ARGV[2]), tonumber(ARGV[4])
local live = redis.call('ZCARD', KEYS[1])
local reply = {string.format('%.0f', now), live, ''}

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
local count = #due / 2
if count < limit then
  local first = due[2] or redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  if not first then
    reply[4] = -1
    return reply
  end
  local early = math.ceil(tonumber(first) + patience - now)
  if count == 0 or early > 0 then
    reply[4] = math.max(1, early)
    return reply
  end
end

local part = (redis.call('HINCRBY', KEYS[3], 'claims', 1) % 1022 + 1) / 1024
local fence = string.format('%.10f', math.floor(now + tonumber(ARGV[3])) + part)
local ids, scored = {}, {}
local function take(id)
  ids[#ids + 1] = id
  scored[#scored + 1] = fence
  scored[#scored + 1] = id
end
for i = 1, #due, 2 do take(due[i]) end
if count < limit then
  local later = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. reply[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 2 * limit)
  for i = 1, #later, 2 do
    if #ids < limit and tonumber(later[i + 1]) % 1 == 0 then take(later[i]) end
  end
end
redis.call('ZADD', KEYS[1], 'XX', unpack(scored))
local records = redis.call('HMGET', KEYS[2], unpack(ids))
reply[3] = fence
reply[4] = string.format('%.0f', math.floor(due[2]))
for i, id in ipairs(ids) do
  reply[#reply + 1] = id
  reply[#reply + 1] = records[i] or ''
end
return reply
