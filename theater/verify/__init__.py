"""Recompute what is hashed of a log: the fast cryptographic pass. `fsck` knows what it means."""
