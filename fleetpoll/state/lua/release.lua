-- release: give a lease back without results, as far as it is still held. Fenced, hence safe to repeat.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] fence
-- KEYS[2] totals    hash counter -> number        ARGV[2] how a call for them ended: 'throttled', or the kind of failure; '' = no call
--                                                 ARGV[3…] per job: id, score (see claim.lua); none to count a call alone
-- Returns how many jobs were still held
local fence, held = tonumber(ARGV[1]), 0
for i = 3, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 0) == fence then
    redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
    held = held + 1
  end
end
if ARGV[2] ~= '' and (held > 0 or #ARGV == 2) then
  redis.call('HINCRBY', KEYS[2], 'calls', 1)
  redis.call('HINCRBY', KEYS[2], ARGV[2] == 'throttled' and ARGV[2] or 'failed', 1)
  if ARGV[2] ~= 'throttled' then redis.call('HINCRBY', KEYS[2], 'failed:' .. ARGV[2], 1) end
end
return held
