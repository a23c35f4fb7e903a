"""Plain Python: what a person edits, what the process is told, and the rules for both.

Nothing here imports cdktf, the bindings or boto3.
"""
