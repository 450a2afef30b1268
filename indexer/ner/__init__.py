"""The embedded recogniser of people, places and organisations, in English and French. See `card.md`."""
