"""Constructs, one a file, each with a slice of the config in and a frozen record out."""
