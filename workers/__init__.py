"""The daemons. `fleetpoll/` is what can be tested without starting a process, `workers/` is what cannot.

    supervisor ── forks, watches, replaces ──▶ poller, N times      (code and models shared; each has its own connections)
    poller ── gives turns, hears bells ──▶ lane, one for each fleet (every poller serves all fleets of the file)

A fork is a poller in milliseconds, and its memory is the supervisor's until it writes to it. It is safe because the
supervisor has no threads and no connections: it must get none. (A fork server would be as quick, but one process more that
can die, and the pollers would be its children, not the supervisor's.)

A poller is a plain loop with one call in flight; more calls at once means more pollers. Whichever fleet has due work and a
token has the next turn: nobody is assigned to a fleet, and one whose AWS, Redis or settings fail holds no other up. Nothing
of AWS, Redis or policy is decided here.

| signal to the supervisor     | means                                                                          |
|------------------------------|--------------------------------------------------------------------------------|
| SIGTERM or SIGINT            | drain: pollers finish the call under way or give the lease back, then leave    |
| the same again               | stop: what is not done within a moment is killed; leases end by themselves     |

Exit codes of a poller: 0 drained, 10 left by an order to the fleet, 2 the settings will not do; else it failed. One that
was neither told by its supervisor nor by an order is replaced, whatever its code.
"""
