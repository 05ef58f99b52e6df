-- count: the head of settle: count a call, and what it and its transitions add to the fleet's figures (see state/figures.py).
-- One command for each figure that changes. What stands in their place must stop no worker: what cannot be added is not.
-- KEYS[6] totals    hash counter -> number        KEYS[12] figures  hash figure -> number
-- Returns nothing: the verb calls add(figure, more) and add_all(text), where text is JSON {figure: more, …} or '', as often as
-- it likes, and then count(ids, text) with how many ids the call carried, '0' = there was none, and its figures
local figures = {}
local function add(figure, more) figures[figure] = (figures[figure] or 0) + more end

local function add_all(text)
  for figure, more in pairs(text ~= '' and cjson.decode(text) or {}) do add(figure, more) end
end

local function count(ids, text)
  if ids ~= '0' then
    redis.call('HINCRBY', KEYS[6], 'calls', 1)
    redis.call('HINCRBY', KEYS[6], 'ids', ids)
    add_all(text)
  end
  for figure, more in pairs(figures) do redis.pcall('HINCRBY', KEYS[12], figure, more) end
end
