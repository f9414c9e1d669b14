"""wasi:cli: environment, arguments, standard streams, exit, and no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from theater.wasi import STDERR, STDIN, STDOUT
from theater.worker.failure import Abort
from theater.worker.wasi.resources import Interfaces


class WasiExit(Abort):
    """The guest has called exit. `status` 0 means that it thinks it succeeded."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the guest called exit with status {status}")


class Cli:
    def __init__(self, env: Mapping[str, str], args: Sequence[str]) -> None:
        self._env = [[name, value] for name, value in env.items()]
        self._args = list(args)

    def interfaces(self) -> Interfaces:
        return {
            "wasi:cli/environment": {
                "get-environment": lambda: self._env,
                "get-arguments": lambda: self._args,
                "initial-cwd": lambda: None,
            },
            "wasi:cli/exit": {
                "exit": self._exit,
                "exit-with-code": self._exit_with_code,
            },
            "wasi:cli/stdin": {"get-stdin": lambda: STDIN},
            "wasi:cli/stdout": {"get-stdout": lambda: STDOUT},
            "wasi:cli/stderr": {"get-stderr": lambda: STDERR},
            "wasi:cli/terminal-stdin": {"get-terminal-stdin": lambda: None},
            "wasi:cli/terminal-stdout": {"get-terminal-stdout": lambda: None},
            "wasi:cli/terminal-stderr": {"get-terminal-stderr": lambda: None},
        }

    def _exit(self, status: dict[str, Any]) -> NoReturn:
        raise WasiExit(0 if "ok" in status else 1)

    def _exit_with_code(self, status: int) -> NoReturn:
        raise WasiExit(status)
