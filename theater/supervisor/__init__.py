"""The root process: it owns the tree, spawns and reaps, and runs no wasm."""
