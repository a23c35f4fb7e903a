"""What ``ops policy`` looks at, and the locked requirements of the checkers that it asks."""
