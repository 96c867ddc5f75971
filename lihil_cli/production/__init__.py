"""Serving in production: one process, or a pool of them that is kept up."""
