"""Test actors: a class in-process (`InProcess`), recorded runs as tests (`plugin`)."""

from theater.testing.inprocess import InProcess

__all__ = ["InProcess"]
