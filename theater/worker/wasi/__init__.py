"""WASI p2 as plain Python, without any power: what a language runtime imports, answered safely.

Clocks and random numbers are real and recorded like every answer; stdin is at its end; stdout
and stderr become lines; there are no files, no sockets and no terminal.
"""

from theater.worker.wasi.cli import WasiExit
from theater.worker.wasi.provider import NotProvided, Wasi

__all__ = ["NotProvided", "Wasi", "WasiExit"]
