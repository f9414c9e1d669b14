"""Root's loop: wait, tell the policy what has happened, do what it wants.

Root never compiles or runs wasm, and no message of an actor passes through it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from theater import linux, wire
from theater.clock import SteadyClock
from theater.paths import DataPaths, RuntimePaths, box_name
from theater.spec import ActorSpec
from theater.supervisor import births, control, policy, reaper, spawn
from theater.supervisor.leash import Leash
from theater.supervisor.listing import actor_rows
from theater.supervisor.orders import ExitKind, Phase
from theater.supervisor.prepare import Prepared
from theater.supervisor.reaper import Process

HELPER_END_S = 10.0  # broker and zygote get this long to end, then they are killed
ZYGOTE_RESTARTS = 5  # at most so many ...
ZYGOTE_PERIOD_S = 10.0  # ... in this long


class Root:
    def __init__(
        self,
        prepared: Prepared,
        artifacts: dict[str, int],
        data: DataPaths,
        runtime: RuntimePaths,
        lock: int,
        leash: Leash,
    ) -> None:
        self._system = prepared.spec
        self._artifacts = artifacts
        self._data = data
        self._runtime = runtime
        self._leash = leash
        self._clock = SteadyClock(time.monotonic())
        self._actors: dict[str, ActorSpec] = {a.path: a for a in self._system.root.actors()}
        self._processes: dict[str, Process] = {}
        self._forking: dict[str, int] = {}  # actor -> incarnation asked of the zygote
        self._signals: dict[str, int] = {}  # actor -> signal for a fork that is not reported yet
        self._unburied: dict[str, policy.Exited] = {}  # told to the broker, not answered yet
        self._wanted: set[tuple[str, int]] = set()  # incarnations whose end the policy asked for
        self._started_at: dict[str, float] = {}  # Unix time of the fork
        self._unresponsive: set[str] = set()
        self._calls: dict[int, control.Connection] = {}
        self._next_call = 1
        self._news: deque[policy.Event] = deque()
        self._state: policy.State | None = None
        self._wake_s: float | None = None
        self._ended: policy.Ended | None = None
        self._fatal = ""
        self._going_down = False
        self._zygote_starts: deque[float] = deque()
        self._selector = selectors.DefaultSelector()
        self._internal_log = os.open(
            data.internal_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        os.dup2(self._internal_log, 2)  # whoever started us may leave
        self._frames = wire.FrameReader()
        self._broker: spawn.Helper | None = spawn.start_broker(self._internal_log, lock)
        self._watch_helper(self._broker, self._from_broker, self._broker_died)
        self._zygote = self._start_zygote()
        self._listener = control.listen(runtime.control)
        self._watch(self._listener.fileno(), self._accept)
        self._watch(leash.fileno(), self._from_leash)
        self._watch(self._signal_pipe(), self._on_signal)
        self._tell_broker("setup", self._setup())
        self._tell_broker(
            "register",
            [
                births.registration(actor, artifact.component_sha256, artifact.exports)
                for actor in self._actors.values()
                for artifact in (prepared.artifacts[actor.component],)
            ],
        )

    def _setup(self) -> dict[str, Any]:
        return {
            "log": self._data.log,
            "boxes": self._data.boxes,
            "durability": self._system.durability.value,
            "message_max_bytes": self._system.message_max_bytes,
            "state_max_bytes": self._system.state_max_bytes,
            "workers_endpoint": f"ipc://{self._runtime.workers}",
            "clients_endpoint": f"ipc://{self._runtime.clients}",
        }

    # The loop

    def run(self) -> policy.Ended:
        """Until the tree has ended. The helpers are gone when this returns."""
        while self._ended is None:
            timeout_s = None
            if self._wake_s is not None:
                timeout_s = max(0.0, self._wake_s - self._now_s())
            before_s = time.monotonic()
            ready = self._selector.select(timeout_s)
            if timeout_s is not None:
                self._clock.woke(before_s, timeout_s, time.monotonic())
            for key, _ in ready:
                if key.fd in self._selector.get_map():  # not closed by one before it
                    key.data()
            if self._wake_s is not None and self._now_s() >= self._wake_s:
                self._news.append(policy.Tick())
            self._decide()
        self._end_helpers()
        return self._ended

    def _now_s(self) -> float:
        return self._clock.now_s(time.monotonic())

    def _decide(self) -> None:
        while self._news:
            event = self._news.popleft()
            if self._state is None:
                if isinstance(event, policy.Shutdown | policy.KillAll):
                    self._ended = policy.Ended("stopped before anything was started", False)
                continue
            self._state, actions = policy.step(self._state, event, self._now_s())
            for action in actions:
                self._perform(action)

    def _perform(self, action: policy.Action) -> None:
        match action:
            case policy.Spawn():
                self._spawn(action.child, action.incarnation)
            case policy.AskStop():
                self._signal(action.child, action.incarnation, signal.SIGTERM, "")
            case policy.Kill():
                self._signal(action.child, action.incarnation, signal.SIGKILL, action.why)
            case policy.WakeAt():
                self._wake_s = action.time_s
            case policy.Reply():
                connection = self._calls.pop(action.call, None)
                if connection is not None:
                    key = "text" if action.ok else "error"
                    connection.reply({"ok": action.ok, key: action.text})
            case policy.Decided():
                detail = {"decision": action.decision.value, **action.detail}
                self._tell_broker("decided", action.subject, detail)
            case policy.PhaseChanged():
                self._phase(action)
            case policy.Ended():
                self._ended = action

    def _phase(self, change: policy.PhaseChanged) -> None:
        if not change.supervisor:
            self._unresponsive.discard(change.child)
            self._tell_broker("phase", change.child, change.phase.value, change.reason)
        elif change.child == "" and change.phase is Phase.RUNNING:
            self._leash.tell("ready", {})

    # Workers

    def _spawn(self, name: str, incarnation: int) -> None:
        actor = self._actors[name]
        secret = secrets.token_bytes(16)
        box_path = os.path.join(self._data.boxes, box_name(name, incarnation))
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            box = os.open(box_path, flags, 0o600)
        except OSError as error:
            reason = f"cannot make its black box: {error}"
            self._news.append(policy.Unspawnable(name, incarnation, reason))
            return
        self._tell_broker("expect", name, incarnation, secret)
        endpoint = f"ipc://{self._runtime.workers}"
        order = births.order(actor, self._system, incarnation, secret, endpoint)
        self._forking[name] = incarnation
        self._started_at[name] = time.time()
        self._leash.tell("starting", {"actor": name, "incarnation": incarnation})
        try:
            spawn.ask_for_worker(self._zygote.socket, order, self._artifacts[actor.component], box)
        except (BrokenPipeError, ConnectionResetError):
            return  # a dead zygote is told by its pidfd, and then the fork is asked for again
        except OSError as error:
            del self._forking[name]
            reason = f"cannot order its worker ({error.strerror}); are env and args too long?"
            self._tell_broker("exited", name, incarnation, "crash", reason, True)
            self._news.append(policy.Unspawnable(name, incarnation, reason))

    def _from_zygote(self) -> None:
        while (report := spawn.receive(self._zygote.socket)) is not None:
            message, descriptors = report
            if not message:
                self._unwatch(self._zygote.socket)
                return
            match message[0]:
                case "spawned":
                    self._spawned(message[1], message[2], message[3], descriptors[0])
                case "failed":
                    _, name, incarnation, reason = message
                    if self._forking.get(name) == incarnation:
                        del self._forking[name]
                        self._signals.pop(name, None)
                        self._tell_broker("exited", name, incarnation, "crash", reason, True)
                        self._news.append(policy.Unspawnable(name, incarnation, reason))

    def _spawned(self, name: str, incarnation: int, pid: int, pidfd: int) -> None:
        process = Process(name, incarnation, pid, pidfd)
        if self._forking.get(name) != incarnation:
            process.signal(signal.SIGKILL)  # a fork that root has given up
            os.close(pidfd)
            return
        del self._forking[name]
        self._processes[name] = process
        self._watch(pidfd, lambda: self._worker_died(process))
        self._tell_broker("spawned", name, incarnation, pid)
        number = self._signals.pop(name, None)
        if number is not None:
            process.signal(number)

    def _signal(self, name: str, incarnation: int, number: int, why: str) -> None:
        """Ask a worker to stop, or kill it, also one whose fork is not reported yet."""
        self._wanted.add((name, incarnation))
        process = self._processes.get(name)
        if process is not None and process.incarnation == incarnation:
            process.why = process.why or why
            process.signal(number)
        elif self._forking.get(name) == incarnation:
            self._signals[name] = number

    def _worker_died(self, process: Process) -> None:
        status = linux.wait_exit(process.pidfd)
        if status is None:
            return
        self._selector.unregister(process.pidfd)
        os.close(process.pidfd)
        del self._processes[process.actor]
        # Who is a child now has been reported by now: the report comes before the child does.
        children = reaper.children()
        self._from_zygote()
        reaper.end_strangers(children - self._known())
        name, incarnation = process.actor, process.incarnation
        reason = process.why or reaper.reason_of(status)
        kind = reaper.kind_of(status)
        wanted = (name, incarnation) in self._wanted
        self._wanted.discard((name, incarnation))
        exited = policy.Exited(name, incarnation, kind, reason)
        if self._broker is None:
            self._news.append(exited)
        else:
            self._unburied[name] = exited
            self._tell_broker("exited", name, incarnation, kind.value, reason, wanted)

    def _known(self) -> set[int]:
        known = {process.pid for process in self._processes.values()}
        known.add(self._zygote.pid)
        if self._broker is not None:
            known.add(self._broker.pid)
        return known

    # The broker

    def _tell_broker(self, *message: Any) -> None:
        if self._broker is not None:
            with contextlib.suppress(OSError):  # its death is told by its pidfd
                self._broker.socket.sendall(wire.frame(message))

    def _from_broker(self) -> None:
        if self._broker is None:
            return
        try:
            data = self._broker.socket.recv(1 << 20)
        except OSError:
            data = b""  # its death explains itself, by its pidfd
        if not data:
            self._unwatch(self._broker.socket)
            return
        for name, *arguments in self._frames.feed(data):
            getattr(self, f"_broker_{name}")(*arguments)

    def _broker_registered(self, incarnations: dict[str, int]) -> None:
        self._state = policy.initial(self._system.root, incarnations)
        self._news.append(policy.Start())

    def _broker_ready(self, name: str, incarnation: int) -> None:
        self._news.append(policy.Ready(name, incarnation))

    def _broker_buried(
        self, name: str, incarnation: int, kind: str, reason: str, ignored: bool
    ) -> None:
        self._unburied.pop(name, None)
        self._news.append(policy.Exited(name, incarnation, ExitKind(kind), reason, ignored))

    def _broker_late(self, name: str, incarnation: int, why: str) -> None:
        self._unresponsive.add(name)
        self._tell_broker("phase", name, Phase.UNRESPONSIVE.value, why)
        self._kill_guilty(name, incarnation, why)

    def _broker_violation(self, name: str, incarnation: int, why: str) -> None:
        self._kill_guilty(name, incarnation, why)

    def _kill_guilty(self, name: str, incarnation: int, why: str) -> None:
        """Kill a worker for what its turn did: that delivery counts."""
        process = self._processes.get(name)
        if process is not None and process.incarnation == incarnation:
            process.why = process.why or why
            process.signal(signal.SIGKILL)

    def _broker_stats(self, call: int, counts: dict[str, Any]) -> None:
        connection = self._calls.pop(call, None)
        if connection is not None:
            connection.reply({"ok": True, **self._listing(counts)})

    def _broker_fatal(self, reason: str) -> None:
        self._fatal = self._fatal or reason

    # Helpers

    def _watch(self, descriptor: int, then: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, then)

    def _unwatch(self, descriptor: int | socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):  # ValueError: it is closed
            self._selector.unregister(descriptor)

    def _watch_helper(
        self, helper: spawn.Helper, heard: Callable[[], None], died: Callable[[], None]
    ) -> None:
        self._selector.register(helper.socket, selectors.EVENT_READ, heard)
        self._watch(helper.pidfd, died)

    def _start_zygote(self) -> spawn.Helper:
        self._zygote_starts.append(self._now_s())
        zygote = spawn.start_zygote(self._internal_log)
        self._watch_helper(zygote, self._from_zygote, self._zygote_died)
        return zygote

    def _unwatch_helper(self, helper: spawn.Helper) -> None:
        self._unwatch(helper.socket)
        self._unwatch(helper.pidfd)
        helper.process.wait()
        helper.close()

    def _broker_died(self) -> None:
        """Without the broker nothing can be committed: the system ends, and says why."""
        assert self._broker is not None
        self._from_broker()  # its last words
        status = self._broker.process.poll()
        self._unwatch_helper(self._broker)
        self._broker = None
        if not self._fatal:
            how = reaper.reason_of(status) if status is not None and status < 0 else f"{status}"
            self._fatal = f"the broker died ({how}); see {self._data.internal_log}"
        if self._state is None:
            self._ended = policy.Ended(self._fatal, failed=True)
        self._news.extend(self._unburied.values())  # nobody will bury them now
        self._unburied.clear()
        self._news.append(policy.KillAll())

    def _zygote_died(self) -> None:
        """Nobody notices but the next start; too often, and the system ends."""
        self._from_zygote()
        self._unwatch_helper(self._zygote)
        now_s = self._now_s()
        while self._zygote_starts and self._zygote_starts[0] < now_s - ZYGOTE_PERIOD_S:
            self._zygote_starts.popleft()
        lost, self._forking = self._forking, {}
        self._signals.clear()
        if len(self._zygote_starts) > ZYGOTE_RESTARTS:
            self._fatal = self._fatal or (
                f"the zygote died {ZYGOTE_RESTARTS + 1} times within {ZYGOTE_PERIOD_S:g} s;"
                f" see {self._data.internal_log}"
            )
            for name, incarnation in lost.items():
                self._news.append(policy.Unspawnable(name, incarnation, "there is no zygote"))
            self._news.append(policy.KillAll())
            return
        self._zygote = self._start_zygote()
        for name, incarnation in lost.items():
            # The broker expects this incarnation: it is buried like one that died unborn.
            self._tell_broker("exited", name, incarnation, "crash", "the zygote died", True)
            self._news.append(policy.ForkLost(name, incarnation))

    def _end_helpers(self) -> None:
        """The broker commits what it has and ends; the zygote ends with its socket."""
        self._listener.close()
        assert self._ended is not None
        if self._fatal:
            self._ended = policy.Ended(self._fatal, failed=True)
        self._tell_broker("end")
        self._zygote.socket.close()
        helpers = [self._zygote] if self._broker is None else [self._broker, self._zygote]
        for helper in helpers:
            try:
                helper.process.wait(HELPER_END_S)
            except Exception:
                print(f"root: the {helper.name} did not end; killed", file=sys.stderr)
                helper.process.kill()
                helper.process.wait()
        reaper.end_strangers(reaper.children())

    # People

    def _signal_pipe(self) -> int:
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._signal_read = read
        return read

    def _on_signal(self) -> None:
        for _ in os.read(self._signal_read, 64):
            self._go_down(kill=self._going_down)

    def _from_leash(self) -> None:
        for word in self._leash.heard():
            match word:
                case "detach":
                    self._selector.unregister(self._leash.fileno())
                    self._leash.close()
                    return
                case "kill":
                    self._go_down(kill=True)
                case "down":
                    self._go_down(kill=False)
                case "":  # whoever holds the leash is gone
                    self._selector.unregister(self._leash.fileno())
                    self._go_down(kill=False)

    def _go_down(self, kill: bool) -> None:
        self._going_down = True
        self._tell_broker("closing")
        self._news.append(policy.KillAll() if kill else policy.Shutdown())

    def _accept(self) -> None:
        workers = {process.pid for process in self._processes.values()}
        connection = control.accept(self._listener, workers)
        if connection is not None:
            self._watch(connection.socket.fileno(), lambda: self._from_client(connection))

    def _from_client(self, connection: control.Connection) -> None:
        requests = connection.read()
        if requests is None:
            self._selector.unregister(connection.socket.fileno())
            connection.socket.close()
            return
        for request in requests:
            self._request(connection, request)

    def _request(self, connection: control.Connection, request: dict[str, Any]) -> None:
        operation, path = request.get("op"), request.get("actor")
        match operation:
            case "ps":
                self._tell_broker("stats", self._call(connection))
            case "stop" | "start" | "restart":
                if not isinstance(path, str):
                    connection.reply({"ok": False, "error": f"{operation} needs an actor"})
                    return
                self._news.append(_CALLS[operation](path, self._call(connection)))
            case "down" | "kill":
                connection.reply({"ok": True, "pid": os.getpid()})
                self._go_down(kill=operation == "kill")
            case _:
                connection.reply({"ok": False, "error": f"there is no operation {operation!r}"})

    def _call(self, connection: control.Connection) -> int:
        call = self._next_call
        self._next_call += 1
        self._calls[call] = connection
        return call

    def _listing(self, mailboxes: dict[str, Any]) -> dict[str, Any]:
        assert self._state is not None
        helpers = {"broker": self._broker.pid if self._broker else None, "zygote": self._zygote.pid}
        return {
            "system": self._system.name,
            "pid": os.getpid(),
            "helpers": helpers,
            "actors": actor_rows(
                self._state, self._processes, self._started_at, self._unresponsive, mailboxes
            ),
        }


_CALLS: dict[str, Callable[[str, int], policy.Call]] = {
    "stop": policy.StopChild,
    "start": policy.StartChild,
    "restart": policy.RestartChild,
}
