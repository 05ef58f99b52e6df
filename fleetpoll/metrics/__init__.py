"""`fleetpoll metrics`: a fleet for Prometheus. Needs the extra `metrics`."""
