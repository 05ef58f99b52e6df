-- settle: close a lease with results: record, publish and reschedule in one step, for each job that is still held.
-- It also takes in what the worker has learnt, see learn.lua, but not twice: only if a job was still held.
-- Fenced: a job whose score is not the fence any more belongs to somebody else and is left alone, so that a late or a
-- repeated settle changes nothing. Few commands for all jobs together, because Lua's way to each costs more than its work.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] now in ms, '' = server clock     ARGV[4] ids in the call, 0 = count no call
-- KEYS[2] ledger    hash job id -> snapshot       ARGV[2] fence                            ARGV[6] how many jobs, at most 1,000
-- KEYS[3] counts    hash status -> jobs           ARGV[3] length of the stream             ARGV[7] figures of the call, see count.lua
-- KEYS[4] finished  zset job id -> settled ms     ARGV[8…] ids of the jobs; for each the ms until the next look ('' = finished,
-- KEYS[5] events    stream                        see claim.lua); then, for each of which there is more to write, its place,
-- KEYS[6] totals    hash counter -> number        snapshot, status before, status now ('' = no transition), figures of that, n,
-- KEYS[10] children, KEYS[11] started: see sleep.lua                                        and n fields and values of the event
-- Returns {kept, lost, price, page, page, …}: how many jobs were still held, how many were not, and what learn.lua adds
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local jobs, kept, held = tonumber(ARGV[6]), 0, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do held[id] = true end
for place = 8, jobs + 7 do kept = kept + (held[ARGV[place]] and 1 or 0) end

local after, records, counts, i = {}, {}, {}, 8 + 2 * jobs
while i <= #ARGV do
  local place, record, before, status, figures, n = unpack(ARGV, i, i + 5)
  local id = ARGV[place + 7]
  if held[id] then
    if record ~= '' then records[#records + 1], records[#records + 2] = id, record end
    if status ~= '' then
      after[id], counts[before] = status, (counts[before] or 0) - 1
      counts[status] = (counts[status] or 0) + 1
      redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, i + 6, i + 5 + n))
      add(before .. '>' .. status, 1)
      add_all(figures)
    end
  end
  i = i + 6 + n
end
if #records > 0 then redis.call('HSET', KEYS[2], unpack(records)) end
for status, more in pairs(counts) do redis.call('HINCRBY', KEYS[3], status, more) end

local asleep, due, over, gone = sleepers(jobs, held, after), {}, {}, {}
for place = 8, jobs + 7 do
  local id, delay = ARGV[place], ARGV[place + jobs]
  if held[id] and delay ~= '' and not asleep[id] then
    due[#due + 1], due[#due + 2] = now + delay, id
  elseif held[id] then
    gone[#gone + 1] = id
    if delay == '' then over[#over + 1], over[#over + 2] = now, id end
  end
end
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(due)) end
if #over > 0 then redis.call('ZADD', KEYS[4], unpack(over)) end
if #gone > 0 then redis.call('ZREM', KEYS[1], unpack(gone)) end
count(kept > 0 and ARGV[4] or '0', ARGV[7])
local reply = {kept, jobs - kept}
if ARGV[5] ~= '' and kept > 0 then learn(now, reply) end
return reply
