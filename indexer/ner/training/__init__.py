"""How the embedded recogniser was made. Nothing here runs when Penstock does."""
