"""Recorded runs as tests: `plugin` has pytest collect *.theater files, one test for each actor."""
