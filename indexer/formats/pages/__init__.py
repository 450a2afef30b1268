"""Formats that are pages to look at: PDF and pictures."""
