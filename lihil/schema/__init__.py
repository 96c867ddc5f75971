"""Descriptions of an app, all made from one model."""
