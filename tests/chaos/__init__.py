"""Deploys that are disturbed at every turn: ``make chaos``, an hour; ``docs/faults.md``."""
