"""Serving: uvicorn with protocol classes of our own."""
