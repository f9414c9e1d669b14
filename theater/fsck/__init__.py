"""Check a log: what must hold of `chain.db`, whatever happened to the system that wrote it."""
