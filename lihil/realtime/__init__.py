"""Many WebSockets at once."""
