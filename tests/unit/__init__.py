"""What TAP synthesizes, and refuses."""
