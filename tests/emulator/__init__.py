"""Tests of the embedded AWS: its process, its patches, its inventory."""
