"""What other programs say to TAP's output."""
