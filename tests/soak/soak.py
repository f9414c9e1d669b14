"""A system under random trouble: signals, operators, helpers that die, root that dies.

In rounds: some trouble, then rest, then what must hold at rest is looked at. At the end nothing
may be left: no process, no socket, no descriptor, no file of a run. Real time decides how the
processes interleave, so a seed gives the same trouble, not the same run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.real.conftest import actor, assert_whole, gone, processes
from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater.client import System
from theater.errors import NotDelivered, NotRunning, Refused, TheaterError
from theater.supervisor.datadir import runtime_of

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGBUS)
HELPER_PAUSE_S = 2.5  # between two kills of the broker, or of the zygote
ANSWER_S = 100.0  # a whole group may have to be killed, one after the other, 5 s each
# Nobody gives up here: what is looked for is what gets lost or left behind.
NEVER = "intensity = 100000, period = 1"


class Soak:
    def __init__(self, directory: Path, seed: int, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._dice = random.Random(seed)
        self._say = say
        self._counts: Counter[str] = Counter()
        self._pids: set[int] = set()  # every process of any of the runs
        self._paused: set[int] = set()
        self._helper_killed_s: dict[str, float] = {}
        self._root_descriptors: int | None = None
        self._write(extra=0)
        self._system = self._up()

    def told(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(self._counts.items()))

    def run(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        last_word_s = time.monotonic()
        try:
            while time.monotonic() < until_s:
                self.trouble(self._dice.randint(1, 12))
                self.rest()
                self._counts["rounds"] += 1
                if time.monotonic() > last_word_s + 30:
                    last_word_s = time.monotonic()
                    self._say(f"soak: {self.told()}")
        finally:
            self.end()

    # The system

    def _write(self, extra: int) -> None:
        """The manifest; `extra` actors more than at first, for a reload."""
        group = "".join(_below(actor(name, "counter.wat")) for name in "abc")
        chain = "".join(_below(actor(name, "counter.wat")) for name in "abc")
        backoff = "backoff = { base = 0.01, max = 0.1, jitter = 0.5 }"
        text = f"""
name = "soak"
durability = "process"
supervisor = {{ {NEVER} }}
{actor("solo", "counter.wat")}
{actor("job", "counter.wat", extra='restart = "transient"' + chr(10))}
[[child]]
name = "group"
supervisor = {{ strategy = "one_for_all", {NEVER} }}
{group}
[[child]]
name = "chain"
supervisor = {{ strategy = "rest_for_one", {NEVER}, {backoff} }}
{chain}
[[child]]
name = "pool"
supervisor = {{ strategy = "simple_one_for_one", instances = 2, {NEVER} }}
{_below(actor("w", "counter.wat"))}
{"".join(actor(f"extra-{n}", "counter.wat") for n in range(extra))}
"""
        (self._directory / "manifest.toml").write_text(text)
        (self._directory / "more.toml").write_text(actor("more", "counter.wat"))

    def _up(self) -> System:
        system = System.start(self._directory / "manifest.toml")
        self._pids |= processes(system)
        return system

    def _ask(self, operation: str, **facts: Any) -> None:
        """An operator's call; it may be refused, it may not hang."""
        try:
            self._system._control.ask(operation, timeout_s=ANSWER_S, **facts)
        except Refused as error:
            if error.code == "timeout":
                tree = self._system._control.ask("tree", timeout_s=ANSWER_S)["nodes"]
                shown = "\n".join(f"  {node}" for node in tree)
                raise AssertionError(f"{operation} {facts}: {error}\n{shown}") from None

    # Trouble

    def trouble(self, moves: int) -> None:
        for _ in range(moves):
            name, move = self._dice.choice(MOVES)
            self._counts[name] += 1
            # Whom it was meant for may have gone.
            with contextlib.suppress(NotDelivered, psutil.Error, ProcessLookupError):
                move(self)

    def _rows(self) -> list[dict[str, Any]]:
        rows = [row for row in self._system.ps() if row["pid"]]
        self._pids |= {row["pid"] for row in rows}
        return rows

    def kill_one(self) -> None:
        rows = self._rows()
        if rows:
            os.kill(self._dice.choice(rows)["pid"], self._dice.choice(SIGNALS))

    def kill_many(self) -> None:
        for row in self._rows():
            if self._dice.random() < 0.6:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(row["pid"], signal.SIGKILL)

    def pause_one(self) -> None:
        rows = self._rows()
        if rows:
            pid = self._dice.choice(rows)["pid"]
            os.kill(pid, signal.SIGSTOP)
            self._paused.add(pid)

    def kill_zygote(self) -> None:
        self._kill_helper("zygote")

    def kill_broker(self) -> None:
        self._kill_helper("broker")

    def _kill_helper(self, name: str) -> None:
        """Not too often: 6 deaths in 10 s end the system, as they should."""
        now_s = time.monotonic()
        if now_s > self._helper_killed_s.get(name, -HELPER_PAUSE_S) + HELPER_PAUSE_S:
            self._helper_killed_s[name] = now_s
            os.kill(self._system.info()["helpers"][name], signal.SIGKILL)

    def pause_root(self) -> None:
        root = self._system.info()["pid"]
        os.kill(root, signal.SIGSTOP)
        time.sleep(self._dice.random())  # the trouble itself, not a wait for something
        os.kill(root, signal.SIGCONT)

    def kill_root(self) -> None:
        if self._counts["root"] > 1 + self._counts["rounds"] / 4:
            return
        self._resume()
        self._pids |= processes(self._system)
        os.kill(self._system.info()["pid"], signal.SIGKILL)
        eventually(lambda: gone(self._pids), "everything to die with root")
        self._system.close()
        self._system = self._up()
        self._root_descriptors = None

    def send(self) -> None:
        rows = self._rows()
        if rows:
            to = self._dice.choice(rows)["actor"]
            self._system.send_many(to, [b"+"] * self._dice.randint(1, 50))

    def poison(self) -> None:
        """A stop while a worker works on something."""
        self.send()
        self.kill_one()

    def operate(self) -> None:
        nodes = [row["actor"] for row in self._system.ps()] + ["group", "chain", "pool"]
        operation = self._dice.choice(["stop", "start", "restart", "restart"])
        self._ask(operation, actor=self._dice.choice(nodes))

    def scale(self) -> None:
        self._ask("scale", pool="pool", instances=self._dice.randint(0, 5))

    def instance(self) -> None:
        self._ask("start_instance", pool="pool", args=["x"])

    def add(self) -> None:
        more = str(self._directory / "more.toml")
        self._ask("add", supervisor=self._dice.choice(["", "group", "chain"]), file=more)

    def delete(self) -> None:
        path = self._dice.choice(["more", "group/more", "chain/more"])
        self._ask("stop", actor=path)
        self._ask("delete", actor=path)

    def reload(self) -> None:
        self._write(extra=self._dice.randint(0, 3))
        self._ask("reload", prune=self._dice.random() < 0.7)

    # Rest

    def _resume(self) -> None:
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._paused.clear()

    def rest(self) -> None:
        """Everything that should run runs, and every message has been seen to."""
        self._resume()
        for path in ("group", "chain", "pool"):  # somebody may have stopped them
            self._ask("start", actor=path)
        for row in self._system.ps():
            if row["status"] in ("stopped", "failed"):
                self._ask("start", actor=row["actor"])
        self._settled()
        try:
            eventually(lambda: not self._strangers(), "strangers to be gone")
        except AssertionError:
            self._say(f"soak: strangers: {self._strangers()}")
            raise
        self._pids |= processes(self._system)
        self._count_descriptors()
        log = self._system.log
        counted = log.query(
            "SELECT a.name, count(*) FROM messages m JOIN actors a ON a.id = m.to_actor"
            " WHERE m.status = 'done' GROUP BY a.name"
        )
        for name, count in counted:
            state = log.state(name)
            assert int(state or b"0") == count, f"{name} took {count} messages, counted {state!r}"

    def _settled(self) -> None:
        def quiet() -> bool:
            rows = self._system.ps()
            busy = [r for r in rows if r["status"] not in ("running", "stopped", "failed")]
            waiting = [r for r in rows if r["status"] == "running" and r["mailbox"]]
            return not busy and not waiting

        eventually(quiet, "everything to come to rest", timeout_s=60.0)

    def _strangers(self) -> list[psutil.Process]:
        """Children of root that it does not tell of; it has one process for each actor."""
        info = self._system.info()
        workers = [row["pid"] for row in info["actors"] if row["pid"]]
        assert len(workers) == len(set(workers))
        known = {*workers, *info["helpers"].values()}
        children = psutil.Process(info["pid"]).children()
        return [child for child in children if child.pid not in known]

    def _descriptors(self) -> int:
        """How many root has, but for the one for each worker."""
        info = self._system.info()
        workers = sum(row["pid"] is not None for row in info["actors"])
        return int(psutil.Process(info["pid"]).num_fds()) - workers

    def _count_descriptors(self) -> None:
        """Root has as many as ever; a reload or an addition brings components of its own."""
        if self._root_descriptors is None:
            self._root_descriptors = self._descriptors()
        most = self._root_descriptors + 4
        try:
            eventually(lambda: self._descriptors() <= most, "root to close what it does not need")
        except AssertionError:
            there = f"/proc/{self._system.info()['pid']}/fd"
            self._say(str(sorted(os.readlink(f"{there}/{n}") for n in os.listdir(there))))
            raise

    def end(self) -> None:
        self._resume()
        data = self._directory / ".theater"
        with contextlib.suppress(NotRunning, TheaterError):
            self._pids |= processes(self._system)
        self._system.close()
        eventually(lambda: gone(self._pids), "all processes to be gone")
        assert not os.path.exists(runtime_of(str(data)).directory), "sockets are left"
        assert not os.listdir(data / "boxes"), "black boxes are left"
        left = {name for name in os.listdir(data) if not name.startswith(("chain.db", "heads."))}
        belong = {"boxes", "components", "store", "internal.log", "lock", "manifest.toml"}
        belong.add(".gitignore")
        assert left <= belong, f"files are left: {left}"
        assert_whole(data)
        replayed(data)


def _below(table: str) -> str:
    return table.replace("[child", "[child.child")


MOVES: tuple[tuple[str, Callable[[Soak], None]], ...] = (
    *[("kills", Soak.kill_one)] * 5,
    *[("mass kills", Soak.kill_many)] * 2,
    *[("sends", Soak.send)] * 3,
    *[("kills at work", Soak.poison)] * 3,
    ("pauses", Soak.pause_one),
    ("zygote", Soak.kill_zygote),
    ("broker", Soak.kill_broker),
    ("root pauses", Soak.pause_root),
    ("root", Soak.kill_root),
    *[("operators", Soak.operate)] * 3,
    ("scales", Soak.scale),
    ("instances", Soak.instance),
    ("additions", Soak.add),
    ("deletions", Soak.delete),
    ("reloads", Soak.reload),
)
