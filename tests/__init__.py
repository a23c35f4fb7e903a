"""Tests: of what TAP synthesizes (unit), of its bytes (snapshots), of what Terraform says to them
(integration), of the commands (ops)."""
