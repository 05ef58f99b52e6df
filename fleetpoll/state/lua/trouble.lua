-- trouble: a worker says that AWS fails it, or works again; it hears when it is its turn to try again. Idempotent.
-- While AWS answers others, a turn is after the worker's own pause. If nobody was answered between two of its failures, those
-- in trouble try one after the other, ARGV[6] ms apart, however many they are. Who works again rings for all of them.
-- Who fails rings for the idle: they may sleep until the end of a lease that has been given back.
-- The first of a kind raises the alarm, once in ARGV[7] ms; when the last is out of it, it is over.
-- KEYS[1] troubles  hash worker id -> "turn since kind answered facts": ms of its next try, ms when it began, calls answered
-- KEYS[2] roster    hash worker id -> "ms facts"  ARGV[1] now in ms, '' = server clock     ARGV[4] facts (JSON), '' = works again
-- KEYS[3] alarm     string 'on' or 'off'          ARGV[2] worker id                        ARGV[5] the worker's own pause, ms
-- KEYS[4] doorbell  channel                       ARGV[3] kind of trouble, in one word     ARGV[6] ms between two tries in turn
-- KEYS[5] totals    hash counter -> number                                                 ARGV[7] ms that an alarm is remembered
-- Returns {ms until the turn, 1 = because nobody was answered, in this trouble, in trouble, on the roster, calls answered,
--      1 = the alarm has just been raised, or is over}
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local totals = redis.call('HMGET', KEYS[5], 'calls', 'failed', 'throttled')
local answered = (tonumber(totals[1]) or 0) - (tonumber(totals[2]) or 0) - (tonumber(totals[3]) or 0)
local turn, since, same, troubled, waits, alarm = now, now, 0, 0, 0, 0
local records = redis.call('HGETALL', KEYS[1])
for i = 1, #records, 2 do
  local others, began, kind, then_answered = string.match(records[i + 1], '^(%d+) (%d+) (%S+) (%d+) ')
  if records[i] == ARGV[2] then
    if kind == ARGV[3] then since = tonumber(began) end
    if tonumber(then_answered) == answered then waits = 1 end
  elseif kind and redis.call('HEXISTS', KEYS[2], records[i]) == 1 then
    turn, troubled = math.max(turn, tonumber(others)), troubled + 1
    if kind == ARGV[3] then same = same + 1 end
  end
end
if ARGV[4] ~= '' then
  same, troubled = same + 1, troubled + 1
  turn = waits == 1 and turn + tonumber(ARGV[6]) or now + tonumber(ARGV[5])
  turn = math.min(turn, now + troubled * 10000) -- or the server's clock was set back
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f %.0f %s %.0f %s', turn, since, ARGV[3], answered, ARGV[4]))
  redis.call('PUBLISH', KEYS[4], 'track')
  if redis.call('SET', KEYS[3], 'on', 'NX', 'PX', ARGV[7]) then
    alarm = 1
  elseif redis.call('GET', KEYS[3]) == 'on' then
    redis.call('SET', KEYS[3], 'on', 'PX', ARGV[7])
  end
else
  if redis.call('HDEL', KEYS[1], ARGV[2]) == 1 then redis.call('PUBLISH', KEYS[4], 'recovered') end
  if same == 0 and redis.call('GET', KEYS[3]) ~= 'off' then -- 'on', or forgotten while nobody tried (a pause, a drain)
    redis.call('SET', KEYS[3], 'off', 'PX', ARGV[7])
    alarm = 1
  end
end
return {turn - now, waits, same, troubled, redis.call('HLEN', KEYS[2]), answered, alarm}
