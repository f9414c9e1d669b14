"""Named points in the code where a test can have processes killed. They do nothing otherwise.

A point is named by who has just done what. If the environment variable THEATER_CRASH holds a
directory when a process starts, `reached` looks there for a file with the point's name, which a
test makes with `arm`: so a running system can be armed at any time, and what has fired once has
fired for all incarnations. Without the variable `reached` is a function that returns.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from dataclasses import dataclass, replace

VARIABLE = "THEATER_CRASH"
HITS = "hits"  # if this file is there, every point that is reached adds a line to it
ITSELF = 0  # in the place of a pid: the process that reaches the point

# `who` of a worker's points, of broker.answered and broker.tick-handed, is the actor; the
# others have none.
POINTS = {
    "worker.loaded": "the component is instantiated, and the broker has not been greeted",
    "worker.input-taken": "a turn is about to begin; the black box does not know of it",
    "worker.turn-begun": "the black box says that the turn has begun",
    "worker.step-made": "a step is whole in the black box, and has not been sent",
    "worker.step-sent": "a step is on its way to the broker",
    "worker.asked": "the step that ends with an ask is on its way",
    "worker.answered": "the answer of an ask is there, and the guest does not have it yet",
    "worker.world-call": "it is committed that a world call is to be done, and it is not done",
    "worker.world-done": "a world call is done, and its answer is not recorded",
    "worker.content-written": "a content of a store is written, and has not its name",
    "worker.content-synced": "... and synced, if anything is",
    "worker.content-named": "... and has its name, which may be gone after a power cut",
    "worker.content-kept": "a content is in its store, and the call has no answer yet",
    "worker.step-acknowledged": "the broker has acknowledged a step",
    "broker.ticked": "timers have gone off, and nothing of that is committed",
    "broker.tick-handed": "a tick is committed, and about to be sent to its actor",
    "broker.before-commit": "a group commit is about to begin",
    "broker.in-commit": "all rows are written, and the transaction is not committed",
    "broker.after-commit": "the transaction is committed, and nothing has been let go",
    "broker.answered": "the answer of an ask is committed, and about to be sent to the asker",
    "broker.released": "all that waited for the commit has been sent",
    "broker.buried": "what becomes of a dead worker's turn is decided, and not committed",
    "zygote.ordered": "the zygote has an order, and has not forked",
    "zygote.forked": "the zygote has forked a worker, and root does not know",
    "zygote.reported": "the zygote has told root of a worker",
    "root.ordered": "the zygote has been sent an order",
    "root.spawned": "a new worker is reported",
    "root.reaped": "a dead worker is reaped, and the broker has not been told",
    "root.buried": "a dead worker is buried, and the policy has not been told",
    "root.birth-asked": "root knows that an actor is to be spawned, and has not begun",
    "root.birth-judged": "the manifest of an actor to be spawned is judged; nothing is started",
    "root.birth-added": "an actor to be spawned is about to join the tree",
    "root.birth-answered": "what was spawned is ready, and its parent has not been told",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """At the `times`-th time from when it is armed, send `number` to all `pids`."""

    times: int = 1
    number: int = signal.SIGKILL
    pids: tuple[int, ...] = (ITSELF,)

    def line(self) -> str:
        return f"{self.times} {self.number} {','.join(map(str, self.pids))}\n"

    @classmethod
    def read(cls, line: str) -> Shot:
        times, number, pids = line.split(" ")
        return cls(int(times), int(number), tuple(map(int, pids.split(","))))


def path(directory: str, point: str, who: str = "") -> str:
    """The file that arms a point: for one actor, or for whoever comes."""
    return os.path.join(directory, f"{point}@{who.replace('/', ':')}" if who else point)


def arm(directory: str, point: str, *shots: Shot, who: str = "") -> None:
    """Let the shots go off at this point, each counted from the one before."""
    assert point in POINTS, f"there is no point {point}"
    file = path(directory, point, who)
    with open(f"{file}.new", "w") as new:
        new.writelines(shot.line() for shot in shots)
    os.rename(f"{file}.new", file)


def is_armed(directory: str, point: str, who: str = "") -> bool:
    """Whether something has not gone off yet."""
    return os.path.exists(path(directory, point, who))


def disarm(directory: str, point: str, who: str = "") -> int:
    """How many shots had not gone off yet. None goes off after this has returned."""
    file = path(directory, point, who)
    with contextlib.suppress(FileNotFoundError), open(file, "r+") as armed:
        fcntl.flock(armed, fcntl.LOCK_EX)
        left = len(armed.readlines())
        if left:
            armed.truncate(0)
            os.unlink(file)
        return left
    return 0


def _ignore(point: str, who: str = "") -> None:
    """The point has been reached; nobody wants to know."""


def _look(point: str, who: str = "") -> None:
    """The point has been reached: count it, and fire if its time has come."""
    assert point in POINTS, f"there is no point {point}"
    with contextlib.suppress(FileNotFoundError):
        hits = os.open(os.path.join(_directory, HITS), os.O_WRONLY | os.O_APPEND)
        os.write(hits, f"{point} {who}\n".encode())
        os.close(hits)
    if who:
        _fire(path(_directory, point, who))
    _fire(path(_directory, point))


def _fire(file: str) -> None:
    with contextlib.suppress(FileNotFoundError), open(file, "r+") as armed:
        fcntl.flock(armed, fcntl.LOCK_EX)
        shots = [Shot.read(line) for line in armed]
        if not shots:  # somebody else has fired the last one
            return
        shot, *later = shots
        if shot.times > 1:
            later.insert(0, replace(shot, times=shot.times - 1))
        armed.seek(0)
        armed.truncate()
        armed.writelines(each.line() for each in later)
        armed.flush()
        if not later:
            os.unlink(file)
        if shot.times > 1:
            return
        # Before the lock is let go, see `disarm`; and itself last.
        own = os.getpid()
        for pid in sorted((pid or own for pid in shot.pids), key=lambda pid: pid == own):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, shot.number)


_directory = os.environ.get(VARIABLE, "")
reached = _look if _directory else _ignore
