"""Build components, in a process of its own: it is interrupted with a signal, and ends with whoever
started it, with the tool that runs.

`python -m theater.project PARENT_PID`. It reads a JSON list of `Job`s from stdin and writes a JSON
object a line: {"progress": text} while it works; for each job {"made": index, language, tool,
size, seconds}, or {"failed": index, "text": text, "missing": whether a tool is}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from theater import linux
from theater.project.build import build
from theater.project.job import BuildFailed, Job, ToolMissing


def main() -> int:
    # An exception, so that the tool is ended and what is unfinished removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    linux.die_with_parent(signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        return 1
    linux.set_name("theater-build")
    for index, facts in enumerate(json.load(sys.stdin)):
        for key in ("packages", "interfaces"):
            facts[key] = tuple(facts[key])
        try:
            made = build(Job(**facts), lambda text: _say({"progress": text}))
            _say({"made": index, **asdict(made)})
        except BuildFailed as error:
            missing = isinstance(error, ToolMissing)
            _say({"failed": index, "text": str(error), "missing": missing})
        except OSError as error:
            _say({"failed": index, "text": f"cannot be built: {error}", "missing": False})
    return 0


def _say(what: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing more to say at the end
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
