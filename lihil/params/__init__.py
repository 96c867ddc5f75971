"""Text from the wire becomes typed values. Knows nothing of dependencies or handlers."""
