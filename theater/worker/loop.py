"""The worker's loop: one actor, one instance, one turn at a time."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections import deque
from dataclasses import asdict
from typing import Any, NoReturn

from wasmtime import Engine

from theater import linux, preopens, requests, stores, wire
from theater.calls import ACTOR, CALLS, TOLD, called, parameters
from theater.crashpoints import reached
from theater.engine import MIB, make_engine
from theater.errors import ComponentError
from theater.events import EventType, content_hash, decode, encode, state_ref
from theater.journal import Journal, resolver
from theater.worker import signals
from theater.worker.blackbox import FULL_BYTES, BlackBox
from theater.worker.contents import Contents
from theater.worker.export import call_export, check_sizes
from theater.worker.failure import Abort, GuestFailure
from theater.worker.guest import Guest, instantiate
from theater.worker.handlers import Handler
from theater.worker.handlers.loop import Loop
from theater.worker.handlers.message_server import MessageServer
from theater.worker.handlers.rpc import Rpc
from theater.worker.handlers.runtime import Runtime
from theater.worker.handlers.store import Store
from theater.worker.handlers.supervisor import Supervisor
from theater.worker.handlers.timer import Timers
from theater.worker.host import Differs, Leave, Recorder, TooLong
from theater.worker.instance import Instance
from theater.worker.link import Link
from theater.worker.order import ExitStatus, Order
from theater.worker.turn import TurnRecord, TurnTooLong, body_value
from theater.worker.wasi import Wasi, WasiExit

WARM_TIMES = 8  # from then on CPython 3.11 runs a function in its quick form
USABLE = 0.9  # of a turn's time: a worker that is late for it is killed
HOST_BYTES = 1024 * MIB  # address space of the process beside the guest's memory


class Worker:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._box = BlackBox(order.box_fd)
        self._senders: set[str] = set()
        self._runtime = Runtime(order.actor, order.message_max)
        self._messages = self._message_server()
        self._timers = Timers(order.handlers.get("timer", {}), lambda: self._takes("tick"))
        self._wasi = self._make_wasi()
        self._contents = Contents(order.store, order.actor, order.syncs)
        self._recorder = Recorder(self._handlers(), self._wasi, self._box, order.world)
        self._recorder.ask = self._ask
        self._recorder.wait = self._answer
        self._link = Link(order, self._from_broker)
        self._recorder.settle = self._settle
        self._inputs: deque[list[Any]] = deque()
        self._last_input = 0  # the newest turn that has been received
        self._answers: dict[tuple[int, int], Any] = {}
        self._is_welcome = False
        self._state: bytes | None = None
        self._state_hash: bytes | None = None
        self._input_id = 0
        self._instance: Guest | None = None
        self._turn_began = 0.0
        self._waited_s = 0.0  # in this turn, for others

    def _handlers(self) -> list[Handler]:
        handlers: list[Handler] = [self._runtime]
        if "message-server" in self._order.handlers:
            handlers.append(self._messages)
        if "timer" in self._order.handlers:
            handlers.append(self._timers)
        if "loop" in self._order.handlers:
            handlers.append(Loop(lambda: self._takes("loop"), self._order.message_max))
        if stores.HANDLER in self._order.handlers:
            handlers.append(self._store(self._order.handlers[stores.HANDLER]))
        if "supervisor" in self._order.handlers:
            handlers.append(Supervisor(self._order.state_max, self._order.message_max))
        if "rpc" in self._order.handlers:
            handlers.append(self._rpc())
        return handlers

    def _rpc(self) -> Rpc:
        call_to = self._order.call_to
        patterns = None if call_to is None else tuple(call_to)
        return Rpc(self._order.actor, patterns, self._order.message_max, self._senders)

    def _message_server(self) -> MessageServer:
        """Also of an actor that may not call it: it may be sent to."""
        send_to = self._order.handlers.get("message-server", {}).get("send_to")
        return MessageServer(
            self._order.actor,
            None if send_to is None else tuple(send_to),
            self._order.message_max,
            self._senders,
        )

    def _takes(self, kind: str) -> bool:
        """Whether the component has an export for such an input."""
        return self._instance is not None and CALLS[kind] in self._instance.exports

    def _store(self, settings: dict[str, Any]) -> Store:
        access = stores.Access.of(self._order.actor, settings)
        return Store(access, self._contents, self._order.message_max, self._key)

    def _key(self) -> str:
        """What names the call that is being answered."""
        turn = self._recorder.turn
        assert turn is not None, "a call outside of any turn"
        return turn.key(turn.index)

    def _make_wasi(self) -> Wasi:
        return Wasi(
            self._order.env,
            tuple(self._order.args),
            lambda line: self._recorder.line("stdout", line),
            lambda line: self._recorder.line("stderr", line),
            preopens.read(self._order.handlers.get(preopens.HANDLER, {})),
            requests.read(self._order.handlers.get(requests.HANDLER, {})),
            left_s=self._left_s,
        )

    def _left_s(self) -> float:
        """How long the turn may still take, with something over for what comes after."""
        used_s = time.monotonic() - self._turn_began - self._waited_s
        return self._order.turn_timeout_s * USABLE - used_s

    # Life

    def run(self) -> None:
        self._link.connect()  # first: ZeroMQ shakes hands in its own thread while we load
        self._import_handlers()  # before the address space is limited to what there is and a bit
        artifact_bytes = os.fstat(self._order.component_fd).st_size
        _limit_address_space(self._order.memory_bytes, artifact_bytes)
        try:
            self._wasi.open()  # before any code of the guest's runs
        except ComponentError as error:
            self._start_failed("wasi", str(error), [])
        if stores.HANDLER in self._order.handlers:
            self._open_stores()
        self._load()
        reached("worker.loaded", self._order.actor)
        self._link.hello()
        while True:
            if signals.is_asked_to_stop():
                self._leave(ExitStatus.STOPPED)
            if self._inputs and self._has_room():
                self._turn(self._inputs.popleft())
                if self._runtime.shutdown_called:
                    self._leave(ExitStatus.NORMAL)
            else:
                self._link.wait()

    def _import_handlers(self) -> None:
        """What authors have written is imported here, and never in the zygote, which all share."""
        if not self._order.custom:
            return
        from theater.custom import BadHandler
        from theater.worker.handlers.custom import Custom

        for type, facts in self._order.custom.items():
            try:
                self._recorder.provide(Custom(type, facts, self._order.handlers[type]))
            except BadHandler as error:
                self._start_failed("handler", str(error), [])

    def _open_stores(self) -> None:
        try:
            self._contents.open()
        except OSError as error:
            self._start_failed("store", f"{self._order.store}: {error.strerror}", [])

    def _load(self) -> None:
        if self._instance is not None:  # a turn that is carried on wants another one
            self._instance.close()
        order = self._order
        artifact = f"/proc/self/fd/{order.component_fd}"
        try:
            self._instance = instantiate(
                artifact,
                self._recorder,
                memory_bytes=order.memory_bytes,
                fuel=order.fuel,
                engine=_engine,
            )
        except (GuestFailure, Abort) as error:
            if self._recorder.turn is not None:  # it is that turn's failure: see `_carry_on`
                raise
            if isinstance(error, GuestFailure):
                self._start_failed(error.kind, error.message, error.backtrace)
            self._start_failed("abort", str(error), [])
        except ComponentError as error:
            self._start_failed("link", str(error), [])

    def _start_failed(self, kind: str, message: str, backtrace: list[str]) -> NoReturn:
        failure = {"kind": kind, "message": message, "backtrace": backtrace, "fuel": 0}
        order = self._order
        self._box.record(
            encode(
                order.actor, order.incarnation, 0, 0, EventType.WASM_ERROR, ACTOR, "start", failure
            )
        )
        self._box.insist(signals.is_asked_to_stop)
        os._exit(ExitStatus.START_FAILED)

    def _leave(self, status: ExitStatus) -> NoReturn:
        """End once everything sent is acknowledged; root's patience is the limit."""
        self._link.settle()
        os._exit(status)

    # What the broker says

    def _has_room(self) -> bool:
        """Whether one more turn may go unacknowledged. Acknowledgements are taken on the way."""
        if self._link.has_room() and self._box.size < FULL_BYTES:
            return True
        self._link.take()
        return self._link.has_room() and self._box.size < FULL_BYTES

    def _from_broker(self, message: list[Any]) -> None:
        match message[0]:
            case "ack":
                if not self._link.unacked and self._recorder.turn is None:
                    self._box.clear()
                self._messages.acknowledged(message[1])
            case "input":
                if message[1] > self._last_input:  # else it was sent again and is known
                    self._last_input = message[1]
                    self._inputs.append(message)
            case "answer":
                self._answers[(message[1], message[2])] = message[3]
            case "sender":
                self._senders.add(message[1])
            case "settled":
                self._messages.settled(message[1])
            case "channel":
                self._messages.channel(message[1], message[2])
            case "welcome":
                self._welcome(message[1])

    def _welcome(self, facts: dict[str, Any]) -> None:
        """Where this actor stands, as is committed."""
        if not self._is_welcome:
            self._is_welcome = True
            self._state = facts["state"]
            self._state_hash = None if self._state is None else content_hash(self._state)
            self._timers.stand(facts["timers"])
        self._senders.update(facts["senders"])
        self._messages.stand(facts["requests"], facts["channels"], facts["committed"][0])

    # Turns

    def _turn(self, message: list[Any]) -> None:
        _, turn, kind, input_id, sender, name, body, _deliveries, journal = message
        order = self._order
        reached("worker.input-taken", order.actor)
        self._turn_began, self._waited_s = time.monotonic(), 0.0
        interface, function = called(kind, body)
        record = TurnRecord(
            order.actor, order.incarnation, turn, order.turn_bytes, order.message_max
        )
        recorder = self._recorder
        self._input_id = input_id
        if sender is not None:
            self._senders.add(sender)
        if kind == "init":
            state: bytes | None = body
            state_hash = None if body is None else content_hash(body)
            given: list[Any] = [order.actor]
            recorded = given
        else:
            state, state_hash = self._state, self._state_hash
            given = recorded = parameters(kind, name, body)
            if kind not in TOLD:
                value = body_value(body)
                record.know_body(value)
                recorded = parameters(kind, name, value)
        self._messages.begin(turn, kind, name)
        self._timers.begin(given[0] if kind == "tick" else None)
        record.know(state_hash)
        arguments = [state_ref(state_hash), recorded]
        try:
            if journal:
                self._carry_on(record, interface, function, arguments, journal)
            else:
                recorder.begin(record, interface, function, arguments)
            reached("worker.turn-begun", order.actor)
            assert self._instance is not None
            result, fuel = call_export(
                self._instance, interface, function, [state, given], order.fuel
            )
            if "err" in result:
                recorder.end("it failed")
                raise GuestFailure("err", result["err"] or "", [], fuel)
            recorder.end("the turn has ended")
            new_state = result["ok"][0]
            check_sizes(kind, result["ok"], fuel, order.message_max, order.state_max)
            data, new_hash = record.result(interface, function, result, new_state, fuel)
            self._box.record(data)
        except GuestFailure as error:
            self._failed(error.kind, error.message, error.backtrace, error.fuel)
        except WasiExit as error:
            self._failed("exit", f"the guest called exit with status {error.status}", [], 0)
        except (TooLong, TurnTooLong) as error:  # within the call, or with its result
            self._failed("too-large", str(error), [], 0)
        except Differs as error:
            self._failed("diverged", str(error), [], 0)
        except Leave:
            os._exit(ExitStatus.STOPPED)
        self._messages.end(kind, name, result["ok"])
        self._timers.end()
        self._send_step(record)
        recorder.turn = None
        self._answers.clear()
        self._state, self._state_hash = new_state, new_hash

    def _carry_on(
        self,
        record: TurnRecord,
        interface: str,
        function: str,
        arguments: list[Any],
        recorded: list[Any],
    ) -> None:
        """Go on with a turn that another incarnation has begun."""
        steps, events, contents, chains = recorded
        journal = Journal(map(decode, events), self._order.world)
        known = {content_hash(content): content for content in contents}
        contents_size = sum(map(len, contents)) + sum(len(wire.pack(each)) for each in chains)
        record.go_on(steps, journal.next_index, sum(map(len, events)), contents_size, known)
        self._recorder.carry_on(
            record,
            interface,
            function,
            arguments,
            journal,
            resolver(known, {place: value for place, value in chains}),
            self._load,
        )

    def _send_step(self, record: TurnRecord) -> None:
        step, events, contents = record.cut()
        frame = wire.pack(("step", record.turn, step, self._input_id, events, contents))
        self._link.send(record.turn, step, frame)

    def _ask(self) -> None:
        """Send the step that asks; it is committed before there is an answer."""
        assert self._recorder.turn is not None
        self._send_step(self._recorder.turn)
        reached("worker.asked", self._order.actor)

    def _settle(self) -> None:
        """Wait until what was sent is committed."""
        began = time.monotonic()
        self._link.settle()
        self._waited_s += time.monotonic() - began

    def _answer(self, index: int) -> Any:
        """Wait for the answer of the ask that is event `index`. The instance stands still."""
        assert self._recorder.turn is not None
        turn = self._recorder.turn.turn
        began = time.monotonic()
        while True:
            self._link.take()
            if (turn, index) in self._answers:
                self._waited_s += time.monotonic() - began
                reached("worker.answered", self._order.actor)
                return self._answers.pop((turn, index))
            if signals.is_asked_to_stop() and not self._link.unacked:
                raise Leave("stopped while waiting for an answer")
            self._link.wait()

    def _failed(self, kind: str, message: str, backtrace: list[str], fuel: int) -> NoReturn:
        """The guest could not end its turn: say why in the black box, and end."""
        failure = {"kind": kind, "message": message, "backtrace": backtrace, "fuel": fuel}
        self._recorder.flush()
        self._recorder.record(EventType.WASM_ERROR, ACTOR, "failed", failure)
        self._box.insist(signals.is_asked_to_stop)
        self._leave(ExitStatus.GUEST_FAILED)


def _limit_address_space(memory_bytes: int, artifact_bytes: int) -> None:
    """A backstop behind the store's own limit: a growing memory is copied, hence twice."""
    with open("/proc/self/statm", "rb") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    limit = now + 2 * memory_bytes + 2 * artifact_bytes + HOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


_engine: Engine | None = None  # one for all workers, made by `warm` before they are forked


def warm() -> Engine:
    """Make, in the zygote, what every worker would make for itself: less to do, more to share.

    That is the engine, which it returns, and what Python, ctypes and wasmtime build when something
    is first used. No guest code runs here, and no thread starts. The engine takes over SIGSEGV and
    its like, so no signal is reset after this.
    """
    global _engine
    _engine = make_engine()
    order = Order(
        "",
        0,
        b"",
        "",
        MIB,
        0,
        0.0,
        0,
        0,
        0,
        {"message-server": {}},
        {},
        "",
        False,
        {},
        [],
        component_fd=-1,
        box_fd=-1,
    )
    for _ in range(WARM_TIMES):
        worker = Worker(Order.read(asdict(order)))
        with contextlib.suppress(ComponentError):  # it is empty
            Instance(os.devnull, worker._recorder, memory_bytes=MIB, engine=_engine)
    return _engine


def main(data: dict[str, Any]) -> NoReturn:
    """Be the worker that `data` orders.

    The zygote has prepared the process: no new privileges, no core dumps, and root's signals wait.
    """
    signals.install()
    order = Order.read(data)
    linux.set_name(f"th:{order.actor}"[-15:])
    Worker(order).run()
    raise AssertionError("a worker never returns from its loop")
