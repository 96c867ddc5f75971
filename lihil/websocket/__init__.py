"""WebSocket routes: the pattern and its options, the life of one connection, and what a handler gets."""
