"""Pack: values as CGRF graphs, their types, and what a package says of itself. Pure.

Packages are core modules whose functions take one value and answer one value, each written as a
graph of nodes. `values` is how one is held, `codec` writes and reads it, node by node as `nodes`
says, `types` is what it may be, `parsing` reads types from text, `hashes` compares interfaces,
`schema` turns plain values into these and back, by `giving` and `taking`, `text` shows them,
`metadata` reads what a package declares.
"""
