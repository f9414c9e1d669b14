"""The worker processes, and the zygote they come from: forked, signalled, seen to die."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from theater import linux
from theater.crashpoints import reached
from theater.paths import box_name
from theater.supervisor import policy, reaper, spawn
from theater.supervisor.burials import Burials
from theater.supervisor.debts import Debts
from theater.supervisor.reaper import Process
from theater.supervisor.waiter import Waiter

ZYGOTE_LATE_S = 10.0  # a fork takes a few milliseconds: by then the zygote hangs


class Owner(Protocol):
    """What the workers need of root."""

    news: deque[policy.Event]
    burials: Burials

    def now_s(self) -> float: ...
    def tell_broker(self, *message: Any) -> None: ...
    def fail(self, reason: str) -> None: ...
    def tell_replaced(self, helper: str, how: str) -> None: ...
    def helper_pids(self) -> set[int]: ...


class Workers:
    def __init__(self, root: Owner, waiter: Waiter, boxes: str, internal_log: int) -> None:
        self._root = root
        self._waiter = waiter
        self._boxes = boxes
        self._internal_log = internal_log
        self.processes: dict[str, Process] = {}
        self.started_at: dict[str, float] = {}  # Unix time of the fork
        self.unresponsive: set[str] = set()  # late with what they owe; about to be dead
        self._forking: dict[str, int] = {}  # actor -> incarnation asked of the zygote
        self._debts = Debts(ZYGOTE_LATE_S)  # of the zygote: forks, by actor
        self._signals: dict[str, int] = {}  # actor -> signal for a fork that is not reported yet
        self._wanted: set[tuple[str, int]] = set()  # incarnations whose end the policy asked for
        self._secrets: dict[str, bytes] = {}  # of each actor's last incarnation
        self._anew: dict[str, str] = {}  # why that begins with `init`; "" if it does not
        self._orders: deque[tuple[dict[str, Any], int, int]] = deque()  # with artifact and box
        self._strangers_due = False
        self._window = spawn.helper_window()  # of the zygote's restarts
        self.zygote = self._start_zygote()

    # Births

    def fork(self, order: dict[str, Any], artifact: int, anew: str) -> None:
        """Have a worker forked. Its end is reported also if it never begins.

        `anew`: see `births.begins_anew`.
        """
        name, incarnation = order["actor"], order["incarnation"]
        try:
            box = self._make_box(name, incarnation)
        except OSError as error:
            reason = f"cannot make its black box: {error}"
            self._root.news.append(policy.Unspawnable(name, incarnation, reason))
            return
        order["secret"] = self._secrets[name] = secrets.token_bytes(16)
        self._anew[name] = anew
        self._root.tell_broker("expect", name, incarnation, order["secret"], anew)
        self._forking[name] = incarnation
        self.unresponsive.discard(name)
        self.started_at[name] = time.time()
        self._orders.append((order, artifact, box))

    def _box_path(self, name: str, incarnation: int) -> str:
        return os.path.join(self._boxes, box_name(name, incarnation))

    def _make_box(self, name: str, incarnation: int) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            return os.open(self._box_path(name, incarnation), flags, 0o600)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # No room for one more file is nobody's fault: this box is gone with its worker.
            return os.memfd_create("box", os.MFD_CLOEXEC)

    def send_orders(self) -> None:
        """Hand them to the zygote; the broker must have been told of these workers before."""
        while self._orders:
            order, artifact, box = self._orders[0]
            try:
                spawn.ask_for_worker(self.zygote.socket, order, artifact, box)
            except BlockingIOError:
                break
            except (BrokenPipeError, ConnectionResetError):
                return  # a dead zygote is told by its pidfd, and then the forks are asked for again
            except OSError as error:
                reason = f"cannot order its worker ({error.strerror}); are env and args too long?"
                self._unspawnable(order["actor"], order["incarnation"], reason)
            else:
                self._debts.owe(order["actor"], self._root.now_s())
                reached("root.ordered")
            self._orders.popleft()
            os.close(box)
        self._waiter.wait_for_room(self.zygote.socket, bool(self._orders))

    def _unspawnable(self, name: str, incarnation: int, reason: str) -> None:
        del self._forking[name]
        self._debts.paid(name)
        self._signals.pop(name, None)
        self._wanted.discard((name, incarnation))
        self._root.tell_broker("exited", name, incarnation, "crash", reason, True)
        self._root.news.append(policy.Unspawnable(name, incarnation, reason))

    def _from_zygote(self) -> None:
        while (report := spawn.receive(self.zygote.socket)) is not None:
            message, descriptors = report
            if not message:
                self._waiter.unwatch(self.zygote.socket)
                return
            match message[0]:
                case "spawned":
                    self._spawned(message[1], message[2], message[3], descriptors[0])
                case "failed":
                    _, name, incarnation, reason = message
                    self._strangers_due = True  # it may have been forked, and could not be reported
                    if self._forking.get(name) == incarnation:
                        self._unspawnable(name, incarnation, reason)

    def _spawned(self, name: str, incarnation: int, pid: int, pidfd: int) -> None:
        process = Process(name, incarnation, pid, pidfd)
        if self._forking.get(name) != incarnation:
            process.signal(signal.SIGKILL)  # a fork that root has given up
            os.close(pidfd)
            self._strangers_due = True
            return
        reached("root.spawned")
        del self._forking[name]
        self._debts.paid(name)
        self.processes[name] = process
        self._waiter.watch(pidfd, lambda: self._died(process))
        self._root.tell_broker("spawned", name, incarnation, pid)
        number = self._signals.pop(name, None)
        if number is not None:
            process.signal(number)

    # A new broker

    def living(
        self, unburied: Iterable[policy.Exited]
    ) -> list[tuple[str, int, bytes, int | None, str]]:
        """(actor, incarnation, secret, pid, why it begins anew) of those that it has to know, also
        of the dead that the old one has not buried."""
        found: dict[str, tuple[int, int | None]] = {
            exited.child: (exited.incarnation, None) for exited in unburied
        }
        found |= {name: (incarnation, None) for name, incarnation in self._forking.items()}
        found |= {p.actor: (p.incarnation, p.pid) for p in self.processes.values()}
        return [
            (name, number, self._secrets[name], pid, self._anew[name])
            for name, (number, pid) in found.items()
        ]

    def call_together(self) -> None:
        """Have every worker say HELLO: an idle one does not notice that its broker is new."""
        for process in self.processes.values():
            process.signal(signal.SIGHUP)

    # Signals

    def signal(self, name: str, incarnation: int, number: int, why: str) -> None:
        """Ask a worker to stop, or kill it, also one whose fork is not reported yet."""
        process = self.processes.get(name)
        if process is not None and process.incarnation == incarnation:
            self._wanted.add((name, incarnation))
            process.why = process.why or why
            process.signal(number)
        elif self._forking.get(name) == incarnation:
            self._wanted.add((name, incarnation))
            self._signals[name] = number

    def kill_guilty(self, name: str, incarnation: int, why: str) -> None:
        """Kill a worker for what its turn did: that delivery counts."""
        process = self.processes.get(name)
        if process is not None and process.incarnation == incarnation:
            process.why = process.why or why
            process.signal(signal.SIGKILL)

    # Deaths

    def _died(self, process: Process) -> None:
        status = linux.wait_exit(process.pidfd)
        if status is None:
            return
        reached("root.reaped")
        self._waiter.unwatch(process.pidfd)
        os.close(process.pidfd)
        del self.processes[process.actor]
        self._strangers_due = True
        name, incarnation = process.actor, process.incarnation
        wanted = (name, incarnation) in self._wanted
        self._wanted.discard((name, incarnation))
        reason = process.why or reaper.reason_of(status)
        self._root.burials.bury(
            policy.Exited(name, incarnation, reaper.kind_of(status), reason), wanted
        )

    def look_for_strangers(self) -> None:
        """Some child has died; see `end_strangers`."""
        self._strangers_due = True

    def end_strangers(self) -> None:
        """Once in a pass of the loop, after deaths: end what root has not started.

        Not while a fork is outstanding: its child may be there before the report of it.
        """
        if not self._strangers_due or self._forking:
            return
        self._strangers_due = False
        children = reaper.children()
        known = {process.pid for process in self.processes.values()}
        reaper.end_strangers(children - known - {self.zygote.pid} - self._root.helper_pids())

    # The zygote

    def _start_zygote(self) -> spawn.Helper:
        zygote = spawn.start_zygote(self._internal_log)
        self._waiter.watch(zygote.socket, self._from_zygote)
        self._waiter.watch(zygote.pidfd, self._zygote_died)
        return zygote

    def _zygote_died(self) -> None:
        """Nobody notices but the next start; too often, and the system ends."""
        self._from_zygote()
        self._waiter.unwatch(self.zygote.socket)
        self._waiter.unwatch(self.zygote.pidfd)
        how = reaper.how(self.zygote.process.wait())
        self.zygote.close()
        self._strangers_due = True
        lost, self._forking = self._forking, {}
        self._debts.forgive()
        self._wanted.difference_update(lost.items())
        self._signals.clear()
        for _, _, box in self._orders:
            os.close(box)
        self._orders.clear()
        if not self._window.take(self._root.now_s()):
            for name, incarnation in lost.items():
                self._root.news.append(policy.Unspawnable(name, incarnation, "there is no zygote"))
            self._root.fail(
                f"the zygote died ({how}) more than {self._window.intensity} times within"
                f" {self._window.period_s:g} s"
            )
            return
        self.zygote = self._start_zygote()
        self._root.tell_replaced("zygote", how)
        for name, incarnation in lost.items():
            # The broker expects this incarnation: it is buried like one that died unborn.
            self._root.tell_broker("exited", name, incarnation, "crash", "the zygote died", True)
            self._root.news.append(policy.ForkLost(name, incarnation))

    def zygote_due_s(self) -> float | None:
        """By when the zygote has to have answered, if something was asked of it."""
        return self._debts.due_s

    def hurry_zygote(self) -> None:
        """One that hangs is killed: its death brings what was asked of it to an end."""
        if self._debts.is_late(self._root.now_s()):
            self._debts.forgive()
            self.zygote.process.kill()

    def forget(self, name: str) -> None:
        """The actor is gone for good."""
        self.started_at.pop(name, None)
        self._secrets.pop(name, None)
        self._anew.pop(name, None)
        self.unresponsive.discard(name)

    def close(self, timeout_s: float) -> None:
        """The zygote ends with its socket."""
        self.zygote.socket.close()
        spawn.end_helper(self.zygote, timeout_s)
