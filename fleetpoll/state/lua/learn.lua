-- learn: the head of settle: add notes to what is known of dwell times, and move the fleet's price of a look.
-- A page is JSON, [ms since when it has not been faded, exits, seconds at risk, exits, seconds at risk, …] by age bucket. What
-- is old counts half after HALF_MS; of more exits than KEEP the rest is forgotten; both in steps of a fiftieth. Of more
-- groups than MOST, those that were noted least recently are forgotten.
-- KEYS[7] price     string ln p                   ARGV[5] '' = nothing, else JSON: {"step": what is added to ln p,
-- KEYS[8] dwell     hash group -> page                "price": [ln p at first, least, most], "half_ms": …, "most": …,
-- KEYS[9] dwelt     zset group -> ms of last note     "notes": [[group, KEEP, bucket, exits, seconds at risk, …], …],
--                                                     "read": [group, …]}
-- Returns nothing: the verb calls learn(now, reply), which adds the price and the pages of notes and of read to the reply
local function fade(page, keep)
  for at = 2, #page do page[at] = math.floor(page[at] * keep * 1e3 + 0.5) / 1e3 end
end

local function added(text, words, now, half_ms)
  local page, exits = cjson.decode(text), 0
  local aged = 0.5 ^ (math.max(0, now - page[1]) / half_ms)
  if aged < 0.98 then
    page[1] = now
    fade(page, aged)
  end
  for at = #page + 1, 2 * (words[#words - 2] or -1) + 3 do page[at] = 0 end
  for i = 3, #words, 3 do
    local at = 2 * words[i] + 2
    page[at] = math.floor((page[at] + words[i + 1]) * 1e3 + 0.5) / 1e3
    page[at + 1] = math.floor((page[at + 1] + words[i + 2]) * 1e2 + 0.5) / 1e2
  end
  for at = 2, #page, 2 do exits = exits + page[at] end
  if exits * 0.98 > words[2] then fade(page, words[2] / exits) end
  return cjson.encode(page)
end

local function note(words, now, half_ms)
  local good, page = pcall(added, redis.call('HGET', KEYS[8], words[1]) or '', words, now, half_ms)
  if not good then page = added('[' .. string.format('%.0f', now) .. ']', words, now, half_ms) end -- none yet, or none of ours
  redis.call('HSET', KEYS[8], words[1], page)
  redis.call('ZADD', KEYS[9], string.format('%.0f', now), words[1])
  return page
end

local function learn(now, reply)
  local lesson = cjson.decode(ARGV[5])
  local first, least, most = unpack(lesson.price)
  local price = math.max(least, math.min(most, (tonumber(redis.call('GET', KEYS[7]) or '') or first) + lesson.step))
  reply[3] = string.format('%.6f', price)
  redis.call('SET', KEYS[7], reply[3])
  for _, words in ipairs(lesson.notes) do reply[#reply + 1] = note(words, now, lesson.half_ms) end
  for _, group in ipairs(lesson.read) do reply[#reply + 1] = redis.call('HGET', KEYS[8], group) or '' end
  if #lesson.notes > 0 then
    for _, group in ipairs(redis.call('ZREVRANGE', KEYS[9], lesson.most, -1)) do
      redis.call('ZREM', KEYS[9], group)
      redis.call('HDEL', KEYS[8], group)
    end
  end
end
