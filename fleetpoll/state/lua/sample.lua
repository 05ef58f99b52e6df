-- sample: add a sample to the fleet's history, at most one in so many ms whoever and however many ask. Repeating it is harmless.
-- Each entry has its time by the clock that was asked: after that was set back, samples go on from there.
-- KEYS[1] history   stream of {at, sample}        ARGV[1] now in ms, '' = server clock     ARGV[3] ms between two samples
-- KEYS[2] totals    hash; `sampled` is when       ARGV[2] sample, '' = only ask            ARGV[4] how many samples are kept, about
-- Returns {ms until there may be another one, 1 = this one was added}
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local every, at = tonumber(ARGV[3]), tonumber(redis.call('HGET', KEYS[2], 'sampled') or '')
local left = at and at <= now and math.max(0, at + every - now) or 0
if left > 0 or ARGV[2] == '' then return {left, 0} end
local stamp = string.format('%.0f', now)
redis.call('HSET', KEYS[2], 'sampled', stamp)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'at', stamp, 'sample', ARGV[2])
return {every, 1}
