"""What holds in TAP alone: a copy leaves this folder out, since its environments are its team's."""
