"""Theater: WebAssembly components as supervised actors, every crossing in a hash chain."""

__version__ = "0.1.0"
