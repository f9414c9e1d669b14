"""Import an author's handlers and say what they are, in a process of its own: it runs what others
have written.

    python -P -m theater.supervisor.importer PARENT_PID DIRECTORY

It reads a JSON list of `module:Class` from stdin, and writes to stdout, a JSON object a line:
{"found": index, "custom": facts of a `spec.Custom`, "files": [...]}, or {"wrong":
index, "text": text}. What a module prints while it is imported goes to stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from theater import linux
from theater.custom import BadHandler, files, load, read


def main() -> int:
    linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        return 1
    linux.no_new_privileges()
    linux.no_core_dumps()
    linux.set_name("theater-import")
    directory = sys.argv[2]
    wishes = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for index, found in enumerate(wishes):
        answer.write(json.dumps(_told(index, found, directory)) + "\n")
        answer.flush()
    # What a module has begun, a thread, something at exit, is not waited for.
    sys.stderr.flush()
    os._exit(0)


def _told(index: int, found: str, directory: str) -> dict[str, Any]:
    try:
        kind = load(found, directory)
        told = read(kind)
        custom = told.described(found, directory)
        return {
            "found": index,
            "custom": asdict(custom),
            "files": sorted(set(files(kind))),
        }
    except BadHandler as error:
        return {"wrong": index, "text": str(error)}


if __name__ == "__main__":
    # Under its real name, so that what is imported finds the same modules.
    from theater.supervisor import importer

    sys.exit(importer.main())
