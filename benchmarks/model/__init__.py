"""A laboratory in virtual time: the fleet's own cadence, and its own bucket law, over hours in seconds."""
