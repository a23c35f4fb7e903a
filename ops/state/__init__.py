"""``ops state``: where a stack's Terraform state is, who holds its lock, and how both are moved.

The stack owns the bucket its state lives in, so state has two homes: the bucket, and for the first
deploy and the last destroy a file beside the project. Everything here may be repeated after a crash
at any step: what is to be done is read from what is there, never from what was begun.
"""
