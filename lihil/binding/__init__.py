"""The one place where a handler's parameters meet their suppliers."""
