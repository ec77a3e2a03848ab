"""The config file: what it may hold, how it is read, what is wrong with it."""
