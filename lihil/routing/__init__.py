"""Paths, the tree they are looked up in, and the routes that a user hangs into it."""
