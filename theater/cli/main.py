"""Where the command line begins: what needs no parser is answered without importing one."""

from __future__ import annotations

import sys


def main() -> None:
    words = sys.argv[1:]
    if words == ["--version"]:
        from theater import __version__

        print(f"theater {__version__}")
        return
    if words[:1] == ["_complete"]:
        from theater.cli.completion import answer

        answer(words[1:])
        return
    try:
        from theater.cli.app import run

        run(words)
    except KeyboardInterrupt:
        sys.exit(130)
