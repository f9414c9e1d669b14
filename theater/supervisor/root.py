"""Root's loop: wait, tell the policy what has happened, do what it wants.

Root never compiles or runs wasm, and no message of an actor passes through it.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from typing import Any

from theater import linux
from theater.clock import SteadyClock
from theater.errors import EnvironmentProblem, TheaterError
from theater.paths import DataPaths, RuntimePaths
from theater.spec import SystemSpec
from theater.supervisor import births, policy, reaper, view
from theater.supervisor.broker import Broker, setup
from theater.supervisor.burials import Burials
from theater.supervisor.datadir import open_internal_log
from theater.supervisor.desk import Desk
from theater.supervisor.kept import Kept
from theater.supervisor.leash import Leash
from theater.supervisor.notary import Notary
from theater.supervisor.orders import Phase
from theater.supervisor.registry import Registry
from theater.supervisor.spawning import Spawning
from theater.supervisor.stock import Stock
from theater.supervisor.troubles import Troubles
from theater.supervisor.waiter import Waiter, signal_pipe
from theater.supervisor.workers import Workers

HELPER_END_S = 10.0  # broker and zygote get this long to end, then they are killed


class Root:
    def __init__(
        self,
        system: SystemSpec,
        manifest: str,
        stock: Stock,
        data: DataPaths,
        runtime: RuntimePaths,
        lock: int,
        leash: Leash,
        kept: Kept,
    ) -> None:
        self._system = system
        self._stock = stock
        self._data = data
        self._runtime = runtime
        self._leash = leash
        self._clock = SteadyClock(time.monotonic())
        self._waiter = Waiter()
        self.news: deque[policy.Event] = deque()
        self.state: policy.State | None = None
        self._wake_s: float | None = None
        self._ended: policy.Ended | None = None
        self._fatal = ""
        self._fatal_code = TheaterError.exit_code
        self._troubles = Troubles(data.log)
        self._is_ready = False
        self._going_down = False
        internal_log = open_internal_log(data)
        os.dup2(internal_log, 2)  # whoever started us may leave
        self._broker = Broker(
            self._waiter, internal_log, lock, self._from_broker, self._broker_died
        )
        self._broker.start()
        self._registry = Registry(self._broker, stock, system)
        self.burials = Burials(self, self._broker, data.boxes)
        self._workers = Workers(self, self._waiter, data.boxes, internal_log)
        every_s = system.head_every_s
        told = self._troubles.heads
        self._notary = Notary(self._waiter, internal_log, data, every_s, self.now_s, told)
        self._desk = Desk(
            self,
            self._waiter,
            self._workers,
            stock,
            system,
            manifest,
            runtime.control,
            data.directory,
            internal_log,
        )
        self._kept = kept
        self._spawning = Spawning(
            self, self._waiter, stock, system, data.directory, internal_log, kept.unanswered
        )
        self._waiter.watch(leash.fileno(), self._from_leash)
        self._signals = signal_pipe()
        self._waiter.watch(self._signals, self._on_signal)
        self._register()

    # The loop

    def run(self) -> policy.Ended:
        """Until the tree has ended. The helpers are gone when this returns.

        Raises what has kept the system from starting, if that is not about one of its actors.
        """
        while self._ended is None:
            helpers = (self._workers.zygote_due_s(), self._broker.due_s, self._notary.due_s)
            due = (self._wake_s, self._desk.due_s, self._spawning.due_s, *helpers)
            times = [time_s for time_s in due if time_s is not None]
            timeout_s = max(0.0, min(times) - self.now_s()) if times else None
            before_s = time.monotonic()
            self._waiter.wait(timeout_s)
            if timeout_s is not None:
                self._clock.woke(before_s, timeout_s, time.monotonic())
            if self._wake_s is not None and self.now_s() >= self._wake_s:
                self.news.append(policy.Tick())
            self._workers.hurry_zygote()
            self._broker.hurry(self.now_s())
            self._desk.hurry()
            self._spawning.hurry()
            self._notary.hurry()
            self._decide()
            self._tidy()
            self._workers.end_strangers()
            if self._broker.flush():  # else a worker could come before what is said of it
                self._workers.send_orders()
        self._end_helpers()
        if self.state is None and self._fatal:
            refused = EnvironmentProblem(self._fatal)
            refused.exit_code = self._fatal_code
            raise refused
        return self._ended

    def now_s(self) -> float:
        return self._clock.now_s(time.monotonic())

    def call(self, event: policy.Event) -> None:
        """Something that the policy has to be told, in the order of arrival."""
        self.news.append(event)

    def _decide(self) -> None:
        self._take_news()
        self._spawning.go_on()
        self._take_news()

    def _take_news(self) -> None:
        while self.news:
            event = self.news.popleft()
            if self.state is None:
                if isinstance(event, policy.Shutdown | policy.KillAll):
                    self._ended = policy.Ended("stopped before anything was started", False)
                continue
            self.state, actions = policy.step(self.state, event, self.now_s())
            for action in actions:
                self._perform(action)

    def _perform(self, action: policy.Action) -> None:
        match action:
            case policy.Spawn():
                self._spawn(action.child, action.incarnation, action.init)
            case policy.AskStop():
                self._workers.signal(action.child, action.incarnation, signal.SIGTERM, "")
            case policy.Kill():
                self._workers.signal(action.child, action.incarnation, signal.SIGKILL, action.why)
            case policy.WakeAt():
                self._wake_s = action.time_s
            case policy.Reply():
                if not self._spawning.answered(action):
                    self._desk.answer(action)
            case policy.Decided():
                self._registry.introduce(action.subject, self.state)
                name = births.name_in_log(action.subject)
                self.tell_broker("decided", name, {"decision": action.decision, **action.detail})
            case policy.PhaseChanged():
                self._phase(action)
            case policy.Removed():
                self._workers.forget(action.child)
                self._spawning.forget(action.child)
                self._registry.remove(action.child, action.reason)
            case policy.Ended():
                self._ended = action

    def _phase(self, change: policy.PhaseChanged) -> None:
        self._registry.introduce(change.child, self.state)
        if not change.supervisor:
            is_over = self.state is not None and view.is_over(self.state, change.child)
            facts = (change.child, change.phase.value, change.reason, is_over)
            self.tell_broker("phase", *facts)
        elif change.child == "" and change.phase is Phase.RUNNING:
            self._is_ready = True
            self._leash.tell("ready", {})

    def _tidy(self) -> None:
        """Close the components that nothing will be started from any more."""
        if self.state is None or self._desk.prepares() or self._spawning.prepares():
            return
        if self._registry.changed or self._stock.grown:
            self._registry.changed = self._stock.grown = False
            needed = {*view.components(self.state), *self._registry.components()}
            needed |= self._spawning.components()
            self._stock.keep_only(needed)

    def _spawn(self, name: str, incarnation: int, init: bool) -> None:
        assert self.state is not None
        actor = view.actor_spec(self.state, name)
        self._registry.renew(name, actor)
        endpoint = f"ipc://{self._runtime.workers}"
        order = births.order(actor, self._system, incarnation, endpoint, self._data.store)
        if not self._is_ready:  # later nobody asks, and whoever holds the leash may not read
            self._leash.tell("starting", {"actor": name, "incarnation": incarnation})
        anew = births.begins_anew(actor, init)
        self._workers.fork(order, self._stock.descriptor(actor.component_sha256), anew)

    # The broker

    def tell_broker(self, *message: Any) -> None:
        self._broker.say(*message)

    def _from_broker(self, message: list[Any]) -> None:
        name, *arguments = message
        getattr(self, f"_broker_{name}")(*arguments)

    def _register(self) -> None:
        """Tell a broker everything it has to know, before anybody can speak to it."""
        self.tell_broker("setup", setup(self._system, self._data, self._runtime))
        state = self.state or policy.initial(self._system.root, {}, spawned=self._kept.there)
        orders = self._registry.everything(state, self._spawning.kept())
        phases = {row.path: row.phase.value for row in policy.rows(state)}
        living = self._workers.living(self.burials.owed())
        self.tell_broker("register", orders, living, phases)

    def _broker_registered(self, incarnations: dict[str, int]) -> None:
        self._broker.listens(self.now_s())
        if self.state is None:
            seed = int.from_bytes(os.urandom(8))
            kept = self._kept.there
            self.state = policy.initial(self._system.root, incarnations, seed, kept)
            self.news.append(policy.Start())
            self._notary.begin()
        else:
            self._workers.call_together()

    def _broker_ready(self, name: str, incarnation: int) -> None:
        self.news.append(policy.Ready(name, incarnation))

    def _broker_buried(
        self, name: str, incarnation: int, kind: str, reason: str, ignored: bool
    ) -> None:
        self.burials.buried(name, incarnation, kind, reason, ignored)

    def _broker_child(
        self,
        parent: str,
        turn: int,
        index: int,
        function: str,
        arguments: list[Any],
        kept: list[str] | None,
        is_there: bool,
    ) -> None:
        """An actor wants something done with what it has spawned."""
        self._spawning.take((parent, turn, index), function, arguments, kept, is_there)

    def _broker_child_dropped(self, parent: str, turn: int, index: int) -> None:
        self._spawning.dropped((parent, turn, index))

    def _broker_child_settled(self, parent: str, turn: int, index: int) -> None:
        self._spawning.settled((parent, turn, index))

    def _broker_recycle(self, name: str, incarnation: int, turns: int) -> None:
        self.news.append(policy.Recycle(name, incarnation, turns))

    def _broker_late(self, name: str, incarnation: int, why: str) -> None:
        self._workers.unresponsive.add(name)
        self.tell_broker("phase", name, Phase.UNRESPONSIVE.value, why)
        self._workers.kill_guilty(name, incarnation, why)

    def _broker_violation(self, name: str, incarnation: int, why: str) -> None:
        self._workers.kill_guilty(name, incarnation, why)

    def ask_for_stats(self, call: int) -> None:
        self._broker.ask(("stats", call), self.now_s(), "stats", call)

    def _broker_stats(self, call: int, counts: dict[str, Any]) -> None:
        self._broker.answered(("stats", call))
        self._desk.stats(call, counts)

    def _broker_fatal(self, reason: str, code: int) -> None:
        if not self._fatal:
            self._fatal, self._fatal_code = reason, code

    def _broker_progress(self, text: str) -> None:
        """It has something to do that takes long, before it can read the log."""
        self._leash.tell("progress", {"text": text})

    def _broker_waits(self, what: str, todo: str, since: float) -> None:
        """It cannot write the log now. Until it can nobody is late: who waits for a commit cannot
        do better. A system that is only starting, or is going down, does not wait."""
        trouble = self._troubles.wait(what, todo, since)
        self._clock.stop(time.monotonic())
        if self.state is None or self._going_down:
            self.tell_broker("end")
        else:
            self._mention_trouble(trouble.text())

    def _broker_goes_on(self) -> None:
        self._mention_trouble("the log is written again")
        self._troubles.waiting = None
        self._clock.go_on(time.monotonic())

    def _mention_trouble(self, text: str) -> None:
        self._leash.mention("trouble" if self._is_ready else "progress", {"text": text})

    def troubles(self) -> list[dict[str, Any]]:
        return self._troubles.told()

    def _broker_died(self, how: str) -> None:
        """Another one goes on from the log; unless this one has said that the log cannot."""
        linux.complain(f"root: the broker died ({how})")
        self._troubles.waiting = None
        self._clock.go_on(time.monotonic())
        if self._fatal or not self._broker.restart(self.now_s()):
            self._go_on_without_broker(how)
            return
        self._register()
        for facts in view.ended_offspring(self.state) if self.state is not None else ():
            self.tell_broker("phase", *facts)  # the last one may not have heard of it
        self._spawning.tell_again()
        self.burials.tell_again()
        if self._going_down:
            self.tell_broker("closing")
        self.tell_replaced("broker", how)
        self._desk.count_again()

    def tell_replaced(self, helper: str, how: str) -> None:
        """Nobody has to do anything about it; but whoever watches wants to know."""
        payload = {"decision": "replaced", "helper": helper, "reason": how}
        self.tell_broker("decided", births.name_in_log(""), payload)

    def _go_on_without_broker(self, how: str) -> None:
        """Nothing can be committed any more: the system ends, and says why."""
        self.fail(f"the broker died ({how})")
        if self.state is None:
            self._ended = policy.Ended(self._fatal, failed=True)
        self.burials.leave_all()

    def fail(self, reason: str) -> None:
        """The system cannot go on."""
        self._fatal = self._fatal or f"{reason}; see {self._data.internal_log}"
        self.news.append(policy.KillAll())

    def helpers(self) -> dict[str, int | None]:
        return {"broker": self._broker.pid, "zygote": self._workers.zygote.pid}

    def helper_pids(self) -> set[int]:
        """Of the children that are not workers and not the zygote."""
        own = (self._broker.pid, self._notary.pid)
        preparing = self._desk.pids() | self._spawning.pids()
        return preparing | {pid for pid in own if pid is not None}

    def _end_helpers(self) -> None:
        """The broker commits what it has and ends, and that is signed; the zygote ends with its
        socket."""
        self._desk.close()
        self._spawning.close()
        self._notary.stop()
        self._broker.end(HELPER_END_S)
        assert self._ended is not None
        if self._fatal:
            self._ended = policy.Ended(self._fatal, failed=True)
        elif self.state is not None:
            self._notary.begin_last()
        self._workers.close(HELPER_END_S)
        self._notary.end_last(HELPER_END_S)
        reaper.end_strangers(reaper.children())

    # People

    def _on_signal(self) -> None:
        for number in os.read(self._signals, 4096):
            if number == signal.SIGCHLD:
                # Workers and helpers are told by their pidfds; it may also be a stranger.
                self._workers.look_for_strangers()
            else:
                self.go_down(kill=self._going_down)

    def _from_leash(self) -> None:
        for word in self._leash.heard():
            match word:
                case "detach":
                    self._waiter.unwatch(self._leash.fileno())
                    self._leash.close()
                    return
                case "kill":
                    self.go_down(kill=True)
                case "down":
                    self.go_down(kill=False)
                case "":  # whoever holds the leash is gone
                    self._waiter.unwatch(self._leash.fileno())
                    self.go_down(kill=False)

    def go_down(self, kill: bool) -> None:
        self._going_down = True
        self.tell_broker("closing")
        if self._troubles.waiting is not None:
            self.tell_broker("end")  # nobody can be stopped in order when nothing can be committed
        self.news.append(policy.KillAll() if kill else policy.Shutdown())
