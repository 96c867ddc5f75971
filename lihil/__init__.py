"""lihil: a WebSocket-first ASGI framework."""
