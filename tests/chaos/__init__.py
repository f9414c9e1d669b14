"""Kills at every commit point, then at random ones: `python -m tests.chaos --minutes 5`."""
