"""A real Redis server for people who have none: found, started, shared, and gone when nobody uses it.

`fleetpoll.embedded.sharing.join` is the door; `binary` finds a server, `home` makes it a private directory, `keeper` is
the process that looks after it. Nothing here speaks to Redis for others: they get a URL, the rest is `fleetpoll.state`.
"""
