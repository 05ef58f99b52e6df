"""`fleetpoll top`: a fleet in the terminal. Needs the extra `top`."""
