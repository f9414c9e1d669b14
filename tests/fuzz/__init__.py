"""Hostile input for what reads bytes of others: `python -m tests.fuzz --minutes 5`."""
