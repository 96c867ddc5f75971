"""Talking to a WebSocket server: a pure session that decides, and a thin shell that acts."""
