"""From bytes to searchable passages, and back to nothing."""
