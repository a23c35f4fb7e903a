"""The bytes, for review: ``make snapshots`` writes them anew."""
