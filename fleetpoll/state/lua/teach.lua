-- teach: put pages of dwell times into the place of those that were read, unless more was noted on them meanwhile.
-- A page that stands already as it is meant to is no conflict, so that a repeated call is harmless. Of more groups than
-- MOST, those that were noted least recently are forgotten. What a page is, see learn.lua.
-- KEYS[1] dwell     hash group -> page                ARGV[1] now in ms     ARGV[2] MOST
-- KEYS[2] dwelt     zset group -> ms of last note     ARGV[3…] per group: group, page as it was read ('' = none), new page
-- Returns the groups whose pages are others by now, and were left alone
local others = {}
local i = 3
while i <= #ARGV do
  local group, was, new = unpack(ARGV, i, i + 2)
  local page = redis.call('HGET', KEYS[1], group) or ''
  if page == was then
    redis.call('HSET', KEYS[1], group, new)
    redis.call('ZADD', KEYS[2], ARGV[1], group)
  elseif page ~= new then
    others[#others + 1] = group
  end
  i = i + 3
end
for _, group in ipairs(redis.call('ZREVRANGE', KEYS[2], ARGV[2], -1)) do
  redis.call('ZREM', KEYS[2], group)
  redis.call('HDEL', KEYS[1], group)
end
return others
