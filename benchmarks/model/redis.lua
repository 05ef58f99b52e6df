-- As much of Redis as the bucket's scripts use, in memory: hashes, a clock that is passed in, and RESP2 replies.
-- Runs in the same Lua state as the scripts, so that their calls never leave it.
local floor, ceil, format = math.floor, math.ceil, string.format
local hashes, expires, now_us, hear = {}, {}, 0, nil
local commands = {}

-- An argument as Redis writes it: numbers become strings that lose nothing.
local function text(value)
  if type(value) == 'string' then return value end
  if type(value) == 'number' then return format('%.17g', value) end
  error('Lua redis lib command arguments must be strings or integers', 0)
end

local function integer(value)
  local number = tonumber(value)
  if not number or number % 1 ~= 0 then error('ERR value is not an integer or out of range', 0) end
  return number
end

-- The hash at a key that has not expired; nil when there is none.
local function hash_at(key)
  local moment = expires[key]
  if moment and now_us >= moment then hashes[key], expires[key] = nil, nil end
  return hashes[key]
end

local function forget(key)
  local there = hash_at(key) ~= nil
  hashes[key], expires[key] = nil, nil
  return there and 1 or 0
end

function commands.TIME()
  return { format('%.0f', floor(now_us / 1000000)), format('%.0f', now_us % 1000000) }
end

function commands.HGET(key, field)
  local hash = hash_at(key)
  return hash and hash[field] or false
end

function commands.HMGET(key, ...)
  local hash, fields = hash_at(key) or {}, { ... }
  for i = 1, #fields do fields[i] = hash[fields[i]] or false end
  return fields
end

function commands.HSET(key, ...)
  local hash, pairs_given, new = hash_at(key) or {}, { ... }, 0
  if #pairs_given == 0 or #pairs_given % 2 == 1 then error("ERR wrong number of arguments for 'hset' command", 0) end
  for i = 1, #pairs_given, 2 do
    local field = text(pairs_given[i])
    if hash[field] == nil then new = new + 1 end
    hash[field] = text(pairs_given[i + 1])
  end
  hashes[key] = hash
  return new
end

function commands.HINCRBY(key, field, by)
  local hash = hash_at(key) or {}
  local sum = integer(hash[field] or '0') + integer(by)
  hash[field] = format('%.0f', sum)
  hashes[key] = hash
  return sum
end

function commands.HDEL(key, ...)
  local hash, gone = hash_at(key), 0
  if not hash then return 0 end
  for _, field in ipairs({ ... }) do
    if hash[field] ~= nil then gone = gone + 1 end
    hash[field] = nil
  end
  if next(hash) == nil then forget(key) end
  return gone
end

function commands.HLEN(key)
  local length = 0
  for _ in pairs(hash_at(key) or {}) do length = length + 1 end
  return length
end

function commands.HGETALL(key)
  local flat = {}
  for field, value in pairs(hash_at(key) or {}) do flat[#flat + 1], flat[#flat + 2] = field, value end
  return flat
end

function commands.EXISTS(key) return hash_at(key) and 1 or 0 end

function commands.DEL(...)
  local gone = 0
  for _, key in ipairs({ ... }) do gone = gone + forget(key) end
  return gone
end

function commands.PEXPIRE(key, ms)
  if not hash_at(key) then return 0 end
  expires[key] = now_us + integer(ms) * 1000
  return 1
end

function commands.EXPIRE(key, s) return commands.PEXPIRE(key, integer(s) * 1000) end

function commands.PUBLISH(channel, message)
  if not hear then return 0 end
  hear(channel, text(message))
  return 1
end

-- A script's result as a client gets it: numbers are cut to integers, true is 1, false is nil.
local function reply(value)
  if type(value) == 'number' then return value < 0 and ceil(value) or floor(value) end
  if type(value) == 'boolean' then return value and 1 or nil end
  if type(value) == 'table' then error('no script of the bucket answers with nested lists', 0) end
  return value
end

local function answer(result)
  if type(result) ~= 'table' then return -1, reply(result) end
  if result.err then error(result.err, 0) end
  local count = #result
  for i = 1, count do result[i] = reply(result[i]) end
  return count, nil, unpack(result, 1, count)
end

redis = {}

function redis.call(name, ...)
  local command = commands[name] or commands[string.upper(name)]
  if not command then error('the model knows no command ' .. name, 0) end
  return command(...)
end

-- Runs a compiled script. Returns -1 and a plain reply, or the length of a list, nil, and the list.
local function run(script, clock_us, keys, ...)
  now_us, KEYS, ARGV = clock_us, {}, { ... }
  for i = 1, keys do KEYS[i] = table.remove(ARGV, 1) end
  return answer(script())
end

-- Runs a command from outside. Returns as `run` does.
local function command(clock_us, name, ...)
  now_us = clock_us
  return answer(redis.call(name, ...))
end

return run, command, function(listener) hear = listener end
