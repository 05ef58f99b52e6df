"""When to look at a job again. Pure: no clock, no I/O, the randomness is passed in."""
