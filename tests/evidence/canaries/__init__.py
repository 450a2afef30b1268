"""Invented people planted everywhere, and looked for everywhere."""
