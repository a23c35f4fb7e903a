"""Terraform, run by TAP: directly, in a folder made for the run, with an environment of known variables.

``process`` runs it, ``folders`` makes the folder that it runs in, ``environ`` decides which
variables reach it, and ``unsaved`` finds the states that it could not save.
"""
