"""Commands: each turns a loaded configuration into a result. Also the code that several of them share."""
