"""Random kills for as long as it is told to: `python -m tests.soak --minutes 5 --seed 1`."""
