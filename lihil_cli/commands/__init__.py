"""One module a command: options in, an engine called, an exit code out."""
