"""Which system is meant: by its manifest, or by its data directory."""

from __future__ import annotations

import contextlib
import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theater.errors import (
    EnvironmentProblem,
    ManifestError,
    NotRunning,
    Problem,
    Refused,
    TheaterError,
)
from theater.paths import DataPaths

if TYPE_CHECKING:
    from theater.client import System
    from theater.client.control import Control
    from theater.client.reader import LogReader


class Usage(Exception):
    """The command was called in a way that means nothing. Exit code 2."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the options say; what they leave out is looked for from the working directory up."""

    manifest: Path | None = None
    data: Path | None = None

    def find_manifest(self) -> str:
        """The manifest's path, as short as it can be said from here."""
        if self.manifest is not None:
            return str(self.manifest)
        from theater import manifest_files

        try:
            found = str(manifest_files.find(os.getcwd()))
        except FileNotFoundError:
            raise EnvironmentProblem("the working directory is gone") from None
        relative = os.path.relpath(found)
        return found if relative.startswith("..") else relative

    @property
    def is_run(self) -> bool:
        """Whether it is a file, RUN.theater, in which nothing runs any more."""
        return self.data is not None and self.data.is_file()

    def data_directory(self) -> str:
        """A run in a file is unpacked first; what it was unpacked into is gone when we are."""
        if self.data is not None:
            return _unpacked(str(self.data)) if self.is_run else str(self.data)
        found = self.find_manifest()
        if not os.path.exists(found):
            raise ManifestError(found, [Problem("", "there is no such file")])
        if os.path.isdir(found):
            raise ManifestError(found, [Problem("", "is a directory, not a file")])
        return os.path.join(os.path.dirname(os.path.abspath(found)), ".theater")

    def log_path(self) -> str:
        return DataPaths(os.path.realpath(self.data_directory())).log

    def reader(self) -> LogReader:
        """The log, also of a system that is down."""
        from theater.client.reader import LogReader

        try:
            return LogReader(self.log_path())
        except NotRunning:
            raise self.never_ran() from None

    def control(self) -> Control:
        """The running system's control socket."""
        from theater.client.control import Control
        from theater.supervisor.datadir import runtime_of

        self._require_system()
        directory = self.data_directory()
        try:
            return Control(runtime_of(directory).control)
        except NotRunning:
            raise self.not_running(directory) from None
        except OSError as error:
            raise EnvironmentProblem(f"cannot reach the system: {error.strerror}") from None

    def system(self) -> System:
        """The running system, to talk to."""
        from theater.client import System

        self._require_system()
        directory = self.data_directory()
        try:
            return System(directory)
        except NotRunning:
            raise self.not_running(directory) from None

    def _require_system(self) -> None:
        if self.is_run:
            raise NotRunning(f"{self.data} is a recorded run: nothing runs in it")

    def options(self) -> str:
        """These options as they are written in a command, with a space before each."""
        import shlex

        said = (("-f", self.manifest), ("--data", self.data))
        return "".join(f" {name} {shlex.quote(str(path))}" for name, path in said if path)

    def never_ran(self) -> NotRunning:
        where = shown_path(self.data_directory())
        kept = "" if self.data else "; `theater run` keeps what happens only with --data"
        return NotRunning(f"nothing has run here yet: there is no log in {where}{kept}")

    def not_running(self, directory: str) -> NotRunning:
        where = f"(data in {shown_path(directory)})"
        if self.is_starting():
            return NotRunning(f"the system is just starting, or ending {where}; ask again later")
        there = "" if self.data is None else f" --data {shown_path(directory)}"
        text = f"no system is running {where}; `theater up{there}` starts one"
        return NotRunning(f"{text}{self._ended_by_itself()}")

    def _ended_by_itself(self) -> str:
        """How the last one did, if it did; "" if somebody took it down, or nothing is known."""
        from theater.client.reader import LogReader

        with (
            contextlib.suppress(TheaterError),
            contextlib.closing(LogReader(self.log_path())) as log,
        ):
            from theater.client.history import History  # worth its time where there is a log

            for fact in History(log).decisions(log.last_seq() + 1):
                match fact.name, fact.decision:
                    case _, "up" | "shutdown":
                        return ""
                    case "/", "gave-up":
                        at = datetime.datetime.fromtimestamp(fact.at).strftime("%Y-%m-%d %H:%M:%S")
                        child = fact.text("child")
                        return (
                            f"\nthe last one gave up at {at}: {child} died too often"
                            f" ({fact.text('reason')}); `theater why-restarted"
                            f"{self.options()} {child}` tells"
                        )
        return ""

    def is_starting(self) -> bool:
        """Whether there is a system that cannot be spoken to yet, or any more."""
        from theater.supervisor.datadir import is_taken

        return is_taken(self.data_directory())


_UNPACKED: dict[str, str] = {}


def _unpacked(path: str) -> str:
    if path not in _UNPACKED:
        import atexit
        from contextlib import ExitStack

        from theater.cli.orderly import ended_in_order
        from theater.runs.unpack import opened

        stack = ExitStack()
        atexit.register(stack.close)
        stack.enter_context(ended_in_order())
        _UNPACKED[path] = stack.enter_context(opened(path))
    return _UNPACKED[path]


def shown_path(path: str) -> str:
    """As short as it can be said from here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def control_path(name: str) -> str:
    """What root calls a supervisor or an actor: the root supervisor, `/` to people, is ""."""
    return "" if name == "/" else name


def ask(
    control: Control, operation: str, name: str, key: str = "actor", **facts: Any
) -> dict[str, Any]:
    """Ask root about the actor or supervisor `name`; of one that is not there, say which may have
    been meant."""
    facts[key] = control_path(name)
    try:
        return control.ask(operation, **facts)
    except Refused as error:
        if error.code != "not_found":
            raise
        nodes = control.ask("tree")["nodes"]
        # Actors that may spawn have a strategy too.
        known = [node["path"] for node in nodes if key == "actor" or "strategy" in node]
        raise Refused(f"{error}{meant(name, known)}", error.code) from None


def meant(name: str, known: list[str]) -> str:
    """`; did you mean "x"?`, if something like it is there."""
    from theater.quoting import nearest

    close = None if name in known else nearest(name, known)
    return f'; did you mean "{close}"?' if close else ""


def at_or_below(name: str, known: list[str]) -> list[str]:
    """Of these addresses, that of an actor, or those of all below a supervisor."""
    return [address for address in known if address == name or address.startswith(f"{name}/")]


def choose_actors(known: list[str], wanted: list[str]) -> list[str] | None:
    """The addresses meant by `wanted`: actors, or supervisors with everything below; None: all.

    TheaterError for a name that nothing has.
    """
    if not wanted or "/" in wanted:
        return None
    chosen: list[str] = []
    for name in wanted:
        found = at_or_below(name, known)
        if not found:
            from theater.quoting import quoted

            raise TheaterError(f"the log knows no actor {quoted(name)}{meant(name, known)}")
        chosen.extend(found)
    return chosen
