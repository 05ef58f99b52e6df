"""Who is measured: fleetpoll, and the ways of polling that are in use elsewhere, each in processes of its own."""
