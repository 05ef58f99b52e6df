-- claim: lend up to LIMIT jobs to one worker until the visibility timeout has passed, by re-scoring them to that moment.
-- A claim that finds due jobs tops up with some that are not yet due, those that have waited for the largest part of their
-- delay: a call costs the same with 1 id or 100. It waits while fewer are due and the oldest is not overdue by PATIENCE yet,
-- which is negative where calls are scarce: then one that is nearly due will do.
-- What a score is, its part of a millisecond tells, in 4096ths. Below one half it is a due time that was planned when the
-- last look was 10 · 1.01^part ms away (0 = not known), else the fence of a lease, and of no other in that millisecond.
-- A worker that claims holds nothing any more: what is left of its last lease (its reply was lost) is due again first.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] now in ms, '' = server clock     ARGV[3] visibility ms
-- KEYS[2] ledger    hash job id -> snapshot       ARGV[2] limit                            ARGV[4] patience ms
-- KEYS[3] totals    hash counter -> number        ARGV[5] worker id, '' = nobody's         KEYS[8] figures, see lapse.lua
-- KEYS[4] leases    hash worker id -> fence       KEYS[5] price, string: ln p of a look     KEYS[6] broods, KEYS[7] children, see follow.lua
-- Returns {now, live, fence, due ms of the oldest, price or '', {id of a brood or of a child of one, …}, {id, score, …}, {snapshot, …}}
--      or {now, live, '', ms until it may be worth asking}, where -1 ms means that nothing is scheduled at all
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local limit, patience, by_now = tonumber(ARGV[2]), tonumber(ARGV[4]), string.format('%.1f', now + 0.5)
local reply, last = {string.format('%.0f', now), redis.call('ZCARD', KEYS[1]), ''}, ARGV[5] ~= '' and redis.call('HGET', KEYS[4], ARGV[5])
if last then take_back(last, math.floor(now - math.max(0, patience)), now) end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. by_now, 'WITHSCORES', 'LIMIT', 0, limit)
local count = #due / 2
if count < limit then
  local first = tonumber(due[2] or redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
  local early = first and math.floor(first + 0.5) - now + (first % 1 < 0.5 and patience or math.max(0, patience))
  if not first or early > 0 then
    reply[4] = first and math.max(1, early) or -1
    return reply
  end
  local later, soon = {}, redis.call('ZRANGEBYSCORE', KEYS[1], by_now, '+inf', 'WITHSCORES', 'LIMIT', 0, 2 * limit)
  for i = 1, #soon, 2 do
    local score = tonumber(soon[i + 1])
    local left = (score - now) / (10 * 1.01 ^ (score % 1 * 4096))
    if score % 1 < 0.5 then later[#later + 1] = {left, soon[i], soon[i + 1]} end
  end
  table.sort(later, function(one, other) return one[1] < other[1] end)
  for i = 1, math.min(limit - count, #later) do due[#due + 1], due[#due + 2] = later[i][2], later[i][3] end
end

lapsed(due, count)
local ids, scored, part = {}, {}, 0.5 + redis.call('HINCRBY', KEYS[3], 'claims', 1) % 2048 / 4096
reply[3] = string.format('%.4f', math.floor(now + tonumber(ARGV[3])) + part) -- enough to tell doubles of this size apart
reply[4], reply[5], reply[6] = string.format('%.0f', math.floor(due[2])), redis.call('GET', KEYS[5]) or '', {}
for at = 1, #due / 2 do
  local id = due[2 * at - 1]
  ids[at], scored[2 * at - 1], scored[2 * at] = id, reply[3], id
end
redis.call('ZADD', KEYS[1], 'XX', unpack(scored))
if ARGV[5] ~= '' then redis.call('HSET', KEYS[4], ARGV[5], reply[3]) end
reply[7], reply[8] = due, redis.call('HMGET', KEYS[2], unpack(ids))
if redis.call('EXISTS', KEYS[6]) == 0 then return reply end
local broods = redis.call('HMGET', KEYS[6], unpack(ids))
for at, id in ipairs(ids) do
  local child = string.byte(id, 37) == 58 and string.format('%s:%05d', string.sub(id, 1, 36), string.sub(id, 38))
  if broods[at] or child and redis.call('ZSCORE', KEYS[7], child) then table.insert(reply[6], id) end
end
return reply
