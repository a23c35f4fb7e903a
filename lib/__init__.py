"""TAP: one service in dev, staging and production on AWS."""
