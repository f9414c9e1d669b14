"""The benchmark harness: what Theater needs, beside what the machine needs, in one run."""
