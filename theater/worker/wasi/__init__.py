"""WASI p2 as plain Python, without any power but what is granted: what a language runtime imports.

Clocks and random numbers are real and recorded like every answer; stdin is at its end; stdout
and stderr become lines; there are the files of granted directories, no sockets and no terminal.
"""

from theater.worker.wasi.cli import WasiExit
from theater.worker.wasi.provider import NotProvided, Wasi

__all__ = ["NotProvided", "Wasi", "WasiExit"]
