-- sample: add a sample to the fleet's history, at most one in so many ms whoever and however many ask. Repeating it is harmless.
-- Each entry has its time by the clock that was asked: after that was set back, samples go on from there.
-- KEYS[1] history   stream of {at, sample}        ARGV[1] now in ms, '' = server clock     ARGV[3] ms between two samples
-- ARGV[2] sample, '' = only ask                   ARGV[4] how many samples are kept, about
-- Returns {ms until there may be another one, 1 = this one was added}
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local every, last = tonumber(ARGV[3]), redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local at = last and last[2][1] == 'at' and tonumber(last[2][2])
local left = at and at <= now and math.max(0, at + every - now) or 0
if left > 0 or ARGV[2] == '' then return {left, 0} end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'at', string.format('%.0f', now), 'sample', ARGV[2])
return {every, 1}
