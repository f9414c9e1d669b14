"""A running system: all that can be asked of it, in one object."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from theater.causes import Account, accounts
from theater.client import dead
from theater.client.children import Children, in_log, in_tree, is_up
from theater.client.control import Control
from theater.client.dead import DeadLetter, Report
from theater.client.endpoint import Endpoint
from theater.client.history import History
from theater.client.launch import Launch, launch
from theater.client.reader import LogReader
from theater.client.turn import Turn, turn_of
from theater.deaths import Death, deaths
from theater.errors import NotRunning, TheaterError
from theater.paths import DataPaths
from theater.supervisor.datadir import runtime_of

T = TypeVar("T")


def data_directory(manifest: str | os.PathLike[str], data: str | None = None) -> str:
    """Where the data of this manifest's system lies, if not told otherwise: beside it."""
    return data or os.path.join(os.path.dirname(os.path.abspath(manifest)), ".theater")


class System(Children):
    """A running system."""

    archive: str | None = None  # the data directory of what was put away by `fresh`
    ended: str | None = None  # why a system that was started here has failed

    def __init__(self, data: str, started: Launch | None = None) -> None:
        """Join the system that runs on this data directory; NotRunning if there is none."""
        self.data = DataPaths(os.path.realpath(data))
        self._launch = started
        runtime = runtime_of(self.data.directory)
        self._control = Control(runtime.control)
        self._endpoint = Endpoint(runtime.clients)
        self._reader: LogReader | None = None
        self._watching = False

    @classmethod
    def start(
        cls,
        manifest: str | os.PathLike[str],
        data: str | None = None,
        on_event: Callable[[dict[str, Any]], None] = lambda _event: None,
        fresh: bool = False,
    ) -> Self:
        """Start a system and wait until all its actors are ready; it ends with this object.

        `fresh`: do not go on from the log that is there, but put it away (`archive` says where)
        and begin anew. `on_event` is told the story of the start. Raises what keeps it from
        starting.
        """
        where = data_directory(manifest, data)
        started = launch(os.path.abspath(manifest), where, fresh)
        archive = None
        try:
            for event in started.wait_ready():
                if event["event"] == "archived":
                    archive = event["path"]
                on_event(event)
            system = cls(where, started)
            system.archive = archive
            return system
        except BaseException:
            started.down()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the system; one that was started here is taken down. `ended` says why it had
        ended before, if it had."""
        if self._launch is not None:
            last = self._launch.down()
            self._launch = None
            if last is not None and last.get("failed"):
                self.ended = str(last["reason"])
        self._endpoint.close()
        self._control.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Talk

    def send(self, actor: str, body: bytes) -> None:
        """Returns when the message is committed; NotDelivered if it cannot be."""
        self._endpoint.send(actor, body)

    def send_many(self, actor: str, bodies: list[bytes]) -> None:
        self._endpoint.send_many(actor, bodies)

    def request(self, actor: str, body: bytes, timeout_s: float = 5.0) -> bytes:
        """The actor's answer; NotDelivered with the reason if there is none."""
        return self._endpoint.request(actor, body, timeout_s)

    # Dead letters

    def dead_letters(self, actor: str | None = None, decided: bool = False) -> list[DeadLetter]:
        """Those that are open, oldest first; `decided`: also those retried or dropped."""
        return dead.dead_letters(self.log, None if actor is None else [actor], decided)

    def dead_letter(self, id: int) -> Report:
        """All that the log knows of one; TheaterError if there is none."""
        return dead.dead_letter(self.log, id)

    def retry_dead(self, id: int) -> int:
        """Put its message at the end of its actor's mailbox as a new one, from whom it was.

        Returns the new message's number when it is committed; NotDelivered with the reason if it
        cannot be, or if the letter has been retried or dropped already. Nobody gets the answer of
        a request that is retried: whoever asked has had an error.
        """
        return self._endpoint.retry_dead(id)

    def drop_dead(self, id: int) -> None:
        """Let it be. It stays in the log; NotDelivered if it has been retried or dropped."""
        self._endpoint.drop_dead(id)

    # Administer

    def info(self) -> dict[str, Any]:
        """The system's name, the pids of its processes, and `actors` as in `ps`."""
        return self._control.ask("ps", timeout_s=30.0)

    def ps(self) -> list[dict[str, Any]]:
        """One map per actor: actor, pid, incarnation, status, restarts, mailbox, ..."""
        actors: list[dict[str, Any]] = self.info()["actors"]
        return actors

    def actor(self, path: str) -> dict[str, Any]:
        """The `ps` row of one actor."""
        for row in self.ps():
            if row["actor"] == path:
                return row
        from theater.quoting import quoted

        raise TheaterError(f"there is no actor {quoted(path)}")

    def down(self, kill: bool = False, timeout_s: float | None = None) -> bool:
        """Stop everything in order, or kill it; whether root has gone within `timeout_s`."""
        self._control.ask("kill" if kill else "down", timeout_s=30.0)
        return self._control.wait_end(timeout_s)

    def wait_status(self, path: str, status: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until `ps` shows this status for the actor; its row then."""
        return self.wait_for(
            lambda: next(
                (row for row in self.ps() if row["actor"] == path and row["status"] == status),
                None,
            ),
            f"{path} to be {status}",
            timeout_s,
        )

    # Read

    @property
    def log(self) -> LogReader:
        if self._reader is None:
            self._reader = LogReader(self.data.log)
        return self._reader

    def lines(self, actor: str | None = None) -> list[str]:
        """The committed log lines of an actor, or of all."""
        names = [actor] if actor else None
        return [row.line or "" for row in self.log.events(actors=names, lines_only=True)]

    def last_death(self, path: str) -> Death | None:
        """How an actor last died; None: it has not, as far as the log goes back."""
        return next(deaths(History(self.log), path), None)

    def turn(self, path: str, number: int) -> Turn | None:
        """All that the log knows of one turn, whatever became of it; None: nothing."""
        return turn_of(self.log, path, number)

    def why_restarted(self, path: str) -> Account | None:
        """What the log says of its last start or, if it does not run, of its end.

        None: a supervisor that was started with the system. See `causes.Account`.
        """
        name = in_log(path)
        if name not in self.log.actors() and name not in self.log.supervisors():
            from theater.quoting import quoted

            raise TheaterError(f"the log knows no actor or supervisor {quoted(path)}")
        runs = any(node["path"] == in_tree(path) and is_up(node) for node in self.tree())
        found = accounts(History(self.log), name, 1, runs)
        return found[-1] if found else None

    def wait(self, timeout_s: float, descriptors: Sequence[int] = ()) -> set[int]:
        """Until something is committed, or one of `descriptors` can be read: those that can be.

        NotRunning once the system has ended; what it has committed before can still be read.
        """
        if not self._watching:
            self._endpoint.watch()
            self._watching = True
        end = self._control.fileno()
        ready = self._endpoint.wait([*descriptors, end], timeout_s)
        if end in ready:
            raise NotRunning("the system has ended")
        return ready

    def wait_for(self, condition: Callable[[], T | None], what: str, timeout_s: float = 30.0) -> T:
        """Wait until `condition()` is true, looking again after each commit and each 50 ms."""
        deadline_s = time.monotonic() + timeout_s
        self._endpoint.watch()
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline_s:
                raise TheaterError(f"waited {timeout_s:g} s in vain for {what}")
            self._endpoint.wait_commit(0.05)
