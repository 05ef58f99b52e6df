"""All that is shared, in Redis: the keys, the Lua verbs, the rooms that write and the rooms that read."""
