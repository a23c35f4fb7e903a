"""Tests of the checks of what this project is made of."""
