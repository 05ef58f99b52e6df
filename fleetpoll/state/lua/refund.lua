-- refund: give back tokens that were reserved and will not be used.
-- KEYS[1] bucket    hash, see reserve.lua         ARGV[1] N
-- Returns the tokens now
local tokens = tonumber(redis.call('HGET', KEYS[1], 't') or 0) + tonumber(ARGV[1])
redis.call('HSET', KEYS[1], 't', string.format('%.6f', tokens))
redis.call('HINCRBY', KEYS[1], 'c', -tonumber(ARGV[1]))
return string.format('%.6f', tokens)
