"""Terraform, run by TAP: directly, in a folder of the run, with variables that TAP knows.

``process`` runs it, ``folders`` makes the folder that it runs in, ``environ`` decides which
variables reach it, and ``unsaved`` finds the states that it could not save.
"""
