"""What the commands of ``ops`` say and do."""
