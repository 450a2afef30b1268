"""Whether what was purged is gone, in every file and after whatever happens."""
