"""The process that signs tree heads: short-lived, and needed by nobody."""
