-- release: give a lease back without results, as far as it is still held. Fenced, hence safe to repeat.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] now in ms, '' = server clock     ARGV[4] counter to raise beside
-- KEYS[2] totals    hash counter -> number        ARGV[2] fence                                    'calls' ('throttled',
--                                                 ARGV[3] ms from now until they are due           'failed'), '' = no call made
--                                                 ARGV[5…] job ids; none to count a call alone
-- Returns how many jobs were still held
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local fence, due = tonumber(ARGV[2]), string.format('%.0f', now + tonumber(ARGV[3]))
local held = 0
for i = 5, #ARGV do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 0) == fence then
    redis.call('ZADD', KEYS[1], due, ARGV[i])
    held = held + 1
  end
end
if ARGV[4] ~= '' and (held > 0 or #ARGV == 4) then
  redis.call('HINCRBY', KEYS[2], 'calls', 1)
  redis.call('HINCRBY', KEYS[2], ARGV[4], 1)
end
return held
