"""The evidence of access: every decision against an oracle, every search against brute force."""
