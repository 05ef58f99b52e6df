-- claim: lend up to LIMIT jobs to one worker until the visibility timeout has passed, by re-scoring them to that moment.
-- A claim that finds due jobs tops up with the soonest that are not yet due: a call costs the same with 1 id or 100.
-- It waits while fewer than LIMIT jobs are due and the oldest is not overdue by PATIENCE yet.
-- A leased job's score is the lease's fence and ends in a part of a millisecond that tells it from a due time, and from
-- another lease of the same millisecond: it is never topped up with. A worker that claims holds nothing any more, so
-- what is left of its last lease (its reply was lost, its pass was cut short) is due again first.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] now in ms, '' = server clock     ARGV[3] visibility ms
-- KEYS[2] ledger    hash job id -> snapshot       ARGV[2] limit                            ARGV[4] patience ms
-- KEYS[3] totals    hash counter -> number        ARGV[5] worker id, '' = nobody's
-- KEYS[4] leases    hash worker id -> fence
-- Returns {now, live, fence, due ms of the oldest, id, snapshot, id, snapshot, …}
--      or {now, live, '', ms until it may be worth asking}, where -1 ms means that nothing is scheduled at all
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local limit, patience = tonumber(ARGV[2]), tonumber(ARGV[4])
local reply = {string.format('%.0f', now), redis.call('ZCARD', KEYS[1]), ''}
local last = ARGV[5] ~= '' and redis.call('HGET', KEYS[4], ARGV[5])
if last then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], last, last)) do
    redis.call('ZADD', KEYS[1], string.format('%.0f', now - patience), id)
  end
end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
local count = #due / 2
if count < limit then
  local first = due[2] or redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  local early = first and math.ceil(tonumber(first) + patience - now)
  if not first or count == 0 or early > 0 then
    reply[4] = first and math.max(1, early) or -1
    return reply
  end
  local later = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. reply[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 2 * limit)
  for i = 1, #later, 2 do
    if #due < 2 * limit and tonumber(later[i + 1]) % 1 == 0 then
      due[#due + 1], due[#due + 2] = later[i], later[i + 1]
    end
  end
end

local part = (redis.call('HINCRBY', KEYS[3], 'claims', 1) % 1022 + 1) / 1024
reply[3] = string.format('%.10f', math.floor(now + tonumber(ARGV[3])) + part)
reply[4] = string.format('%.0f', math.floor(due[2]))
local ids, scored = {}, {}
for i = 1, #due, 2 do
  ids[#ids + 1] = due[i]
  scored[i], scored[i + 1] = reply[3], due[i]
end
redis.call('ZADD', KEYS[1], 'XX', unpack(scored))
if ARGV[5] ~= '' then redis.call('HSET', KEYS[4], ARGV[5], reply[3]) end
for i, record in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do
  reply[2 * i + 3], reply[2 * i + 4] = ids[i], record or ''
end
return reply
