"""`fleetpoll dashboard`: a fleet in a browser. Needs the extra `dashboard`."""
