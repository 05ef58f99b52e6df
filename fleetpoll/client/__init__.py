"""What applications and the command line use: one `Fleet`, with a library call for everything that can be asked of it."""
