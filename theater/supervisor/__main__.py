"""Start of root: `python -m theater.supervisor LEASH_FD MANIFEST DATA_DIRECTORY [fresh]`."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback

from theater import linux
from theater.errors import ManifestError, TheaterError
from theater.manifest import load
from theater.supervisor import kept
from theater.supervisor.datadir import (
    begin_anew,
    keep_manifest,
    open_data,
    open_runtime,
    remove_runtime,
    runtime_of,
)
from theater.supervisor.leash import Leash
from theater.supervisor.prepare import open_artifacts, prepare_loaded
from theater.supervisor.root import Root
from theater.supervisor.stock import Stock


class Interrupted(Exception):
    """Whoever started the system has gone, or wants it stopped, while it was being prepared."""


def main() -> int:
    leash = Leash(int(sys.argv[1]))
    manifest, data_directory = sys.argv[2], sys.argv[3]
    fresh = sys.argv[4:] == ["fresh"]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whoever started us has held some back

    def on_progress(text: str) -> None:
        leash.tell("progress", {"text": text})
        if leash.is_cut():
            raise Interrupted

    try:
        linux.require_kernel()
        linux.become_subreaper()
        linux.no_new_privileges()
        linux.not_dumpable()
        linux.no_core_dumps()
        linux.set_name("theater-root")
        linux.raise_descriptor_limit()
        spec = load(manifest)
        data, lock = open_data(data_directory)  # from now on it can be seen that we start
        prepared = prepare_loaded(manifest, spec, data.directory, on_progress)
        stock = Stock()
        stock.take_all(prepared, open_artifacts(prepared, data.components, on_progress))
        system = prepared.compiled()
        needed = {each.component_sha256 for each in prepared.artifacts.values()}
        if not fresh:
            children = kept.read(data, system)
            kept.stock(children, data, system, stock, on_progress)
            kept.remove_leftovers(data, needed)
        else:
            children = kept.Kept()
            if (archive := begin_anew(data, time.time(), needed)) is not None:
                leash.tell("archived", {"path": archive})
        keep_manifest(data.directory, system.text)
        runtime = runtime_of(data.directory)
        open_runtime(runtime)
        try:
            file = os.path.abspath(manifest)
            root = Root(system, file, stock, data, runtime, lock, leash, children)
            ended = root.run()
        finally:
            remove_runtime(runtime)
        if ended.failed:  # nobody may hold the leash: say it where the system's own troubles are
            linux.complain(f"root: the system ended: {ended.reason}")
        leash.tell("ended", {"reason": ended.reason, "failed": ended.failed})
        return 1 if ended.failed else 0
    except Interrupted:
        return 130
    except TheaterError as error:
        facts: dict[str, object] = {"error": str(error), "code": error.exit_code}
        if isinstance(error, ManifestError):
            facts["file"] = error.file
            facts["problems"] = [[problem.path, problem.message] for problem in error.problems]
        leash.tell("failed", facts)
        return error.exit_code
    except Exception as error:
        linux.complain(traceback.format_exc())
        leash.tell(
            "failed",
            {"error": f"theater itself failed: {type(error).__name__}: {error}", "code": 1},
        )
        return 1


if __name__ == "__main__":
    # Everything is closed by now; nothing of the interpreter's own end is worth waiting for.
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
