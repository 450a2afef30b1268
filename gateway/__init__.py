"""What the outside touches: HTTP, command line, identity, confidence, verdict."""
