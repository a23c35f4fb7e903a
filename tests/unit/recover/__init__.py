"""``ops recover``."""
