"""Judge what is to join a running system, in a process of its own: root never compiles.

`python -m theater.supervisor.preparer SOCKET_FD ROOT_PID`. Root sends one byte with a descriptor,
of a pickled `Wish` (both ends are ours and of the same version), and reads frames until the wish is
fulfilled:
["within", seconds] before each thing that takes time, ["artifact", component hash, exports] with
the descriptor of a verified artifact, and then ["prepared", pickled specification] or ["failed",
facts of a ManifestError or TheaterError]. Then it may write the next; the process ends with the
socket. One that is silent for longer than it said is killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from theater import linux, manifest, wire
from theater.errors import ManifestError, TheaterError
from theater.paths import DataPaths
from theater.spec import ChildSpec, SystemSpec
from theater.supervisor.offspring import Birth, prepare_birth
from theater.supervisor.prepare import (
    Prepared,
    PreparedFragment,
    open_artifacts,
    prepare_fragment,
    prepare_loaded,
)
from theater.supervisor.spawn import Helper, start_preparer
from theater.supervisor.waiter import Waiter

READ_MAX = 1 << 20
LATE_S = 60.0  # to start, to read a manifest; and beyond what a compilation may take


@dataclass(frozen=True, slots=True)
class Wish:
    """What root wants judged: a whole manifest, or a fragment below a supervisor of `system`."""

    file: str
    under: str | None  # None: it is a whole manifest
    system: SystemSpec
    data: str  # the data directory of the system
    dry: bool = False  # nothing will be started
    birth: Birth | None = None  # an actor wants one spawned: neither of the two


Judged = SystemSpec | tuple[ChildSpec, ...]


class Preparation:
    """Root's side: calls `done` once for each wish, with what is judged or the reply that says why
    not; and `closed`, when the process has gone.

    `idle_s`: so long the process is kept after a wish for the next one. It has imported by then
    all that it needs, which is most of its work.
    """

    def __init__(
        self,
        waiter: Waiter,
        internal_log: int,
        now_s: Callable[[], float],
        stock: Callable[[str, dict[str, Any], int], None],
        closed: Callable[[], None],
        idle_s: float = 0.0,
    ) -> None:
        self._waiter = waiter
        self._stock = stock
        self._done: Callable[[Judged | dict[str, Any]], None] | None = None  # None: it is idle
        self._closed = closed
        self._idle_s = idle_s
        self._frames = wire.FrameReader()
        self._descriptors: list[int] = []
        self._within_s = LATE_S
        self._now_s = now_s
        self._heard_s = now_s()
        self._ended = False
        self.helper: Helper = start_preparer(internal_log)
        waiter.watch(self.helper.socket, self._heard)

    def judge(self, wish: Wish, done: Callable[[Judged | dict[str, Any]], None]) -> None:
        """Have this judged. It must be idle."""
        assert self.is_idle()
        self._done, self._within_s, self._heard_s = done, LATE_S, self._now_s()
        # If it has died, that is heard next.
        with contextlib.suppress(OSError):
            self.hand_over(wish)

    def hand_over(self, wish: Wish) -> None:
        """In a file, as a manifest may have a megabyte, and root waits for nobody to read."""
        with open(os.memfd_create("wish", os.MFD_CLOEXEC), "wb") as file:
            pickle.dump(wish, file)
            file.flush()
            socket.send_fds(self.helper.socket, [b"w"], [file.fileno()])

    def is_idle(self) -> bool:
        return self._done is None and not self._ended

    @property
    def due_s(self) -> float:
        """By when something has to be heard of it, or it is not kept any more."""
        return self._heard_s + (self._idle_s if self._done is None else self._within_s)

    def hurry(self) -> None:
        """One that hangs is killed."""
        if self._now_s() >= self.due_s:
            self.close()
            seconds = f"{self._within_s:g} s"
            self._answer({"ok": False, "error": f"it was not read and judged within {seconds}"})

    def _heard(self) -> None:
        self._heard_s = self._now_s()
        try:
            data, ancillary, _, _ = self.helper.socket.recvmsg(
                READ_MAX, socket.CMSG_LEN(4), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        for _, _, item in ancillary:
            self._descriptors.append(int.from_bytes(item[:4], sys.byteorder))
        for message in self._frames.feed(data):
            self._take(message)
        if not data:
            self.close()
            self._answer({"ok": False, "error": "what was to be read could not be judged"})

    def _take(self, message: list[Any]) -> None:
        match message:
            case ["within", seconds]:
                self._within_s = seconds + LATE_S
            case ["artifact", sha256, exports]:
                self._stock(sha256, exports, self._descriptors.pop(0))
            case ["prepared", data]:
                self._answer(pickle.loads(data))
            case ["failed", facts]:
                self._answer({"ok": False, **facts})

    def _answer(self, answer: Judged | dict[str, Any]) -> None:
        done, self._done = self._done, None
        if not self._idle_s:
            self.close()
        if done is not None:
            done(answer)

    def close(self) -> None:
        """It is over, or nobody wants to know any more."""
        if self._ended:
            return
        self._ended = True
        self._waiter.unwatch(self.helper.socket)
        self.helper.process.kill()
        self.helper.process.wait()
        self.helper.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._closed()


def main() -> int:
    descriptor, root_pid = int(sys.argv[1]), int(sys.argv[2])
    if not linux.begin_helper(root_pid, "theater-prepare"):
        return 1
    root = socket.socket(fileno=descriptor)
    while (received := socket.recv_fds(root, 1, 1))[0]:
        for wish in received[1]:
            with open(wish, "rb") as file:
                _judge(root, read_wish(file))
    return 0


def read_wish(file: BinaryIO) -> Wish:
    file.seek(0)  # its place is where root has stopped to write
    wish = pickle.load(file)
    assert isinstance(wish, Wish)
    return wish


def _judge(root: socket.socket, wish: Wish) -> None:
    try:
        _fulfil(root, wish)
    except ManifestError as error:
        problems = [[problem.path, problem.message] for problem in error.problems]
        facts = {"error": str(error), "file": error.file, "problems": problems}
        root.sendall(wire.frame(("failed", facts)))
    except TheaterError as error:
        root.sendall(wire.frame(("failed", {"error": str(error)})))
    except Exception as error:
        linux.complain(traceback.format_exc())
        text = f"theater itself failed: {type(error).__name__}: {error}"
        root.sendall(wire.frame(("failed", {"error": text})))


def _fulfil(root: socket.socket, wish: Wish) -> None:
    prepared: Prepared | PreparedFragment
    within = wish.birth is not None or wish.under is not None
    spec = wish.system if within else manifest.load(wish.file)

    def on_progress(_text: str = "") -> None:
        root.sendall(wire.frame(("within", spec.compile_timeout_s)))

    on_progress()
    if wish.birth is not None:
        prepared = prepare_birth(wish.birth, spec, wish.data, on_progress)
    elif wish.under is None:
        prepared = prepare_loaded(wish.file, spec, wish.data, on_progress)
    else:
        prepared = prepare_fragment(wish.file, wish.under, spec, wish.data, on_progress)
    keep_in = None if wish.dry else DataPaths(wish.data).components
    descriptors = open_artifacts(prepared, keep_in, on_progress)
    for component, artifact in prepared.artifacts.items():
        message = ("artifact", artifact.component_sha256, artifact.exports)
        _send_with(root, wire.frame(message), descriptors[component])
    root.sendall(wire.frame(("prepared", pickle.dumps(prepared.compiled()))))


def _send_with(root: socket.socket, data: bytes, descriptor: int) -> None:
    """The descriptor travels with the first byte of the frame."""
    sent = socket.send_fds(root, [data], [descriptor])
    root.sendall(data[sent:])
    os.close(descriptor)


if __name__ == "__main__":
    # Under its real name, so that what is pickled is found there and not in __main__.
    from theater.supervisor import preparer

    sys.exit(preparer.main())
