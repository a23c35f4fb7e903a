"""Checks of what this project is made of: ``python -m checks <command>``.

They use other people's tools, from an environment of their own (``requirements/checks.txt``,
locked and hashed), and this project's lock files.
"""
