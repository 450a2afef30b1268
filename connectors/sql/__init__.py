"""Databases that are only read: the kinds of them, one moment of them, and what their columns mean."""
