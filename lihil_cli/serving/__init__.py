"""What every way of serving has in common: the socket, one process that runs uvicorn over it, and what it says."""
