"""Factories become values. Knows nothing of HTTP or WebSockets."""
