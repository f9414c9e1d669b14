"""`theater up --watch`: what is saved is built, and takes the place of what runs.

A thread looks at the files every now and then. When they have changed, and then not for a moment,
it does what a person would: build, reload, restart whoever runs something else now. Mailbox and
state stay, and none of it counts as a crash. What cannot be built, or is not granted, leaves what
runs as it is.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from theater.cli.decisions import listed
from theater.errors import NotRunning, TheaterError
from theater.spec import ActorSpec, SystemSpec

LOOK_S = 0.3
FILES_MAX = 10_000  # that are looked at
# Of a directory with sources: what they may be written in, not what is made of them.
SUFFIXES = frozenset(
    {".py", ".js", ".mjs", ".cjs", ".ts", ".rs", ".wat", ".wasm", ".wit", ".toml", ".json", ".lock"}
)
SKIPPED = frozenset({"build", "dist", "node_modules", "target", "venv", "__pycache__"})
NAMED = 3  # files that are named, of many
DOWN = frozenset({"stopped"})  # by hand: nobody wants it to run

Seen = dict[str, tuple[int, int]]  # path -> time of its last change in ns, size


@dataclass(frozen=True, slots=True)
class News:
    text: str
    kind: str = "note"  # note, progress, error


class Watch(threading.Thread):
    """Watches what the system of a manifest is made of. `wake` is called when there is news."""

    def __init__(self, manifest: str, data: str, wake: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._manifest = os.path.abspath(manifest)
        self._data = data
        self._wake = wake
        self._spec: SystemSpec | None = None  # the last that could be read
        self._spec_ns = 0  # when that had been changed
        self._inputs: set[str] = set()  # of builds, wherever they lie and whatever they are named
        self._news: SimpleQueue[News] = SimpleQueue()
        self._is_over = threading.Event()

    def news(self) -> Iterator[News]:
        while not self._news.empty():
            yield self._news.get()

    def end(self) -> None:
        self._is_over.set()

    def run(self) -> None:
        with contextlib.suppress(
            TheaterError
        ):  # it runs: what is wrong now is told when it matters
            self._prepare(lambda _text: None)
        seen = self._look()
        self._say(f"watching {len(seen)} {'file' if len(seen) == 1 else 'files'}")
        while not self._is_over.wait(LOOK_S):
            now = self._look()
            if now == seen:
                continue
            while not self._is_over.wait(LOOK_S) and (later := self._look()) != now:
                now = later  # it is still being written
            changed = [path for path in {**seen, **now} if seen.get(path) != now.get(path)]
            seen = now
            try:
                self._apply(changed)
            except NotRunning:
                return
            except TheaterError as error:
                self._say(f"{error}\nnothing has been changed", "error")
            except Exception as error:  # whatever it is, the system goes on
                self._say(f"theater itself failed: {type(error).__name__}: {error}", "error")
            now = self._look()
            seen.update((path, now[path]) for path in self._inputs & now.keys() if path not in seen)

    def _say(self, text: str, kind: str = "note") -> None:
        self._news.put(News(text, kind))
        self._wake()

    # Files

    def _look(self) -> Seen:
        seen: Seen = {}
        for path in self._files():
            try:
                status = os.stat(path)
            except OSError:
                continue
            seen[path] = (status.st_mtime_ns, status.st_size)
            if len(seen) == FILES_MAX:
                break
        return seen

    def _files(self) -> Iterator[str]:
        yield self._manifest
        spec = self._read()
        directories = set()
        for actor in () if spec is None else spec.root.all_written():
            if not isinstance(actor, ActorSpec):
                continue
            if actor.build is None:
                yield actor.component
            else:
                source = actor.build.source
                directories.add(source if os.path.isdir(source) else os.path.dirname(source))
        yield from self._inputs
        for directory in sorted(directories):
            yield from _below(directory)

    def _read(self) -> SystemSpec | None:
        """What the manifest says; None while it says nothing that can be read."""
        from theater import manifest

        try:
            changed = os.stat(self._manifest).st_mtime_ns
            if changed != self._spec_ns:
                self._spec = manifest.load(self._manifest)
                self._spec_ns = changed
        except (OSError, TheaterError):
            pass
        return self._spec

    # What has to be done

    def _apply(self, changed: list[str]) -> None:
        from theater.client.control import Control
        from theater.supervisor.datadir import runtime_of

        names = [os.path.relpath(path, os.path.dirname(self._manifest)) for path in changed]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        self._say(f"{', '.join(sorted(names)[:NAMED])}{more} changed")
        began_s = time.monotonic()
        self._prepare(lambda text: self._say(text, "progress"))
        control = Control(runtime_of(self._data).control)
        try:
            facts = {"file": self._manifest, "prune": False}
            found = control.submit("reload", dry_run=True, **facts)
            if not found["plan"]:
                self._say("nothing that runs is different")
                return
            control.submit("reload", planned=found["digest"], **facts)
            again = to_restart(found["plan"], control.ask("tree")["nodes"])
            for path in again:
                control.ask("restart", actor=path)
        finally:
            control.close()
        took = f"after {time.monotonic() - began_s:.1f} s"
        if again:
            self._say(f"{listed(again)} {'runs' if len(again) == 1 else 'run'} what is new, {took}")
        else:
            self._say(f"reloaded, {took}")

    def _prepare(self, on_progress: Callable[[str], None]) -> None:
        """Build and compile what is stale, and see what it is made from."""
        from theater.supervisor.prepare import prepare_system

        prepared = prepare_system(self._manifest, self._data, on_progress)
        self._inputs.update(path for built in prepared.built for path in built.files)
        self._inputs.update(path for each in prepared.handlers.values() for path in each.files)


def _below(directory: str) -> Iterator[str]:
    for place, below, files in os.walk(directory):
        below[:] = [each for each in below if each not in SKIPPED and not each.startswith(".")]
        for name in files:
            if os.path.splitext(name)[1] in SUFFIXES and not name.startswith("."):
                yield os.path.join(place, name)


def to_restart(plan: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> list[str]:
    """The actors for which something holds from their next start on; not those that were stopped
    by hand. `nodes`: of the tree after the reload."""
    actors = [node for node in nodes if node["type"] == "actor" and node["status"] not in DOWN]
    found: dict[str, None] = {}
    for change in plan:
        if change["change"] != "changed" or change["at_once"]:
            continue
        path = change["path"]
        for node in actors:
            if node["path"] == path or (not path or node["path"].startswith(f"{path}/")):
                found[node["path"]] = None
    return list(found)
