"""What stops a benchmark."""


class BenchError(Exception):
    """Something cannot be installed, run or compared; the message says what to look at."""
