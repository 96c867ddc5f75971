"""Lihil Starter: a realtime service."""
