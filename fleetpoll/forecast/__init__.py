"""What a fleet will do with its allowance: its own cadence and order of claims, in virtual time. No clock, no I/O."""
