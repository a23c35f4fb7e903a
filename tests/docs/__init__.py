"""The documents: they say what is."""
