-- release: give a lease back without results, as far as it is still held. Fenced, hence safe to repeat; but a call that is
-- counted alone, which AWS refused as a whole, counts again.
-- KEYS[1] schedule  zset job id -> due ms         ARGV[1] fence
-- KEYS[2] totals    hash counter -> number        ARGV[2] how a call for them ended: 'throttled', or the kind of failure; '' = no call
--                                                 ARGV[3…] ids of the jobs, none to count a call alone; then their scores (see claim.lua)
-- Returns how many jobs were still held
local count, held, due = (#ARGV - 2) / 2, {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])) do held[id] = true end
for i = 3, count + 2 do
  if held[ARGV[i]] then due[#due + 1], due[#due + 2] = ARGV[i + count], ARGV[i] end
end
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(due)) end
if ARGV[2] ~= '' and (#due > 0 or count == 0) then
  redis.call('HINCRBY', KEYS[2], 'calls', 1)
  redis.call('HINCRBY', KEYS[2], ARGV[2] == 'throttled' and ARGV[2] or 'failed', 1)
  if ARGV[2] ~= 'throttled' then redis.call('HINCRBY', KEYS[2], 'failed:' .. ARGV[2], 1) end
end
return #due / 2
