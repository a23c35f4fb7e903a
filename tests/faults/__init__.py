"""The tests' own test: seeded faults, each of which has to turn the suite red."""
