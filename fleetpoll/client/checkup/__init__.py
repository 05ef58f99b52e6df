"""What may be wrong with a fleet, by topic, and what to do about it: `fleetpoll doctor`."""
