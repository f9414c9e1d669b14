"""The broker's loop: wait, take what has arrived, commit it all at once, then let go of it."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import zmq

from theater import linux
from theater.broker import children, timers, waits
from theater.broker.anew import reinitialise
from theater.broker.batch import Batch
from theater.broker.book import ToClient, ToRoot
from theater.broker.boxes import Boxes
from theater.broker.burial import Death, bury
from theater.broker.clients import Clients
from theater.broker.delay import Delay
from theater.broker.log import Log
from theater.broker.members import Members
from theater.broker.release import Frames
from theater.broker.revival import Living
from theater.broker.root import RootSocket
from theater.broker.trouble import judge
from theater.broker.turns import Turns
from theater.broker.workers import Workers
from theater.clock import SteadyClock
from theater.crashpoints import reached

# So long at most is taken from a socket before a commit, for whose end everybody waits. Half of it
# for clients: workers have to do what they ask for.
WORKERS_S = 0.02
CLIENTS_S = 0.01
LONGEST_WAIT_S = 3600.0  # poll takes milliseconds in 32 bits
CLIENT_BACKLOG = 1000  # messages kept for a client that does not read; it asks again
PATIENCE_S = 0.05  # rows that nobody waits for may wait this long for a commit


class Broker:
    def __init__(self, root: RootSocket, setup: dict[str, Any], log: Log) -> None:
        self._root = root
        self._log = log
        self._clock = SteadyClock(time.monotonic())
        self._turns = Turns(
            setup["message_max_bytes"],
            setup["state_max_bytes"],
            next_seq=log.stored.next_seq(),
            next_message=log.stored.next_message(),
            next_dead_letter=log.stored.next_dead_letter(),
            next_evidence=log.stored.next_evidence(),
            store_rows=log.store_rows,
            chain_rows=log.chain_rows,
        )
        self._boxes = Boxes(setup["boxes"])
        self._members = Members(self._turns, log, self._boxes, self._commit)
        self._ending = False
        self._delay = Delay(root, log.path, self._mailbox_counts, self._take_counts)
        self._context = zmq.Context()
        self._endpoints = (setup["workers_endpoint"], setup["clients_endpoint"])
        self._workers = Workers(self._router(setup["state_max_bytes"], 0), self._turns)
        self._clients = Clients(
            self._router(setup["message_max_bytes"], CLIENT_BACKLOG),
            self._turns,
            self._log,
            self._workers.links.pids,
        )
        self._commit_by_s: float | None = None  # when waiting rows are written at the latest

    def _router(self, largest: int, backlog: int) -> zmq.Socket[bytes]:
        router = self._context.socket(zmq.ROUTER)
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # else what cannot be routed vanishes
        router.setsockopt(zmq.MAXMSGSIZE, largest + 64 * 1024 * 1024)
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.BACKLOG, 4096)
        router.setsockopt(zmq.SNDHWM, backlog)  # 0: bounded by the credit of each worker
        router.setsockopt(zmq.RCVHWM, 1000)
        return router

    def now_s(self) -> float:
        return self._clock.now_s(time.monotonic())

    # The loop

    def run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._root, zmq.POLLIN)
        poller.register(self._workers.socket, zmq.POLLIN)
        poller.register(self._clients.socket, zmq.POLLIN)
        while not self._ending:
            poller.modify(self._root, zmq.POLLIN | (self._root.has_unsent() and zmq.POLLOUT))
            timeout_s = self._timeout_s()
            before_s = time.monotonic()
            ready = dict(
                poller.poll(
                    None if timeout_s is None else math.ceil(min(timeout_s, LONGEST_WAIT_S) * 1000)
                )
            )
            if timeout_s is not None:
                paused_s = self._clock.woke(before_s, timeout_s, time.monotonic())
                if paused_s:
                    linux.complain(f"broker: stood still for {paused_s:.1f} s")
            self._turns.at = time.time()
            if self._workers.socket in ready:
                self._workers.take(time.monotonic() + WORKERS_S, self.now_s())
            if self._root.fileno() in ready or self._workers.strangers:
                self._hear_root()
            # After root: a client that root has told of a stop counts on it.
            if self._clients.socket in ready:
                self._clients.take(time.monotonic() + CLIENTS_S, self.now_s())
            self._turns.time_out(self.now_s())
            if timers.go_off(self._turns, self.now_s()):
                reached("broker.ticked")
            self._clients.time_out(self.now_s())
            if self._is_awaited():
                self._commit()
            self._release()
            if self._log.wants_checkpoint():
                self._checkpoint(self._log.checkpoint)
        self._commit()

    def _is_awaited(self) -> bool:
        """Whether something leaves after this commit, or its rows have waited long enough.

        What root tells (a fork, a pid, a phase) is written with the next step or answer: a sync
        of the disk for each of them would slow every start down. If the broker dies first, only
        that is forgotten of which nothing else was ever committed.
        """
        if self._turns.out or self._turns.acked or self._clients.has_acknowledgements():
            return True
        if self._turns.batch.messages:  # they may be handed out next
            return True
        if self._turns.batch.is_empty():
            return False
        if self._commit_by_s is None:
            self._commit_by_s = self.now_s() + PATIENCE_S
        return self.now_s() >= self._commit_by_s

    def _timeout_s(self) -> float | None:
        deadlines = (
            self._turns.deadlines.next_s(),
            self._turns.timers.next_s(),
            self._clients.deadlines.next_s(),
            self._commit_by_s,
        )
        times = [time_s for time_s in deadlines if time_s is not None]
        if not times:
            return None
        return max(0.0, min(times) - self.now_s())

    # Root

    def _hear_root(self) -> None:
        """Do all that root has said; then judge the workers who are new, of whom it spoke."""
        while True:
            strangers, self._workers.strangers = self._workers.strangers, {}
            self._root.receive()
            while (message := self._root.next()) is not None:
                getattr(self, f"_root_{message[0]}")(*message[1:])
            self._ending = self._ending or self._root.closed
            self._workers.judge(strangers, self.now_s())
            if not self._workers.strangers:
                return

    def _root_register(
        self,
        orders: list[dict[str, Any]],
        living: list[tuple[str, int, bytes, int | None, str]],
        phases: dict[str, str],
    ) -> None:
        """Who is there. Nobody can connect before: a worker that lives would be a stranger."""
        alive = [Living(*each) for each in living]
        self._members.register(orders, alive, phases, self.now_s())
        for each in alive:
            actor = self._turns.actors[each.name]
            if each.pid is not None and actor.live:
                self._workers.started(actor, each.pid, self.now_s())
        self._workers.socket.bind(self._endpoints[0])
        self._clients.socket.bind(self._endpoints[1])

    def _root_adopt(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            self._members.adopt(order, self.now_s())

    def _root_remove(self, name: str, reason: str = "") -> None:
        self._members.remove(name, reason, self.now_s())

    def _root_expect(self, name: str, incarnation: int, secret: bytes, anew: str = "") -> None:
        """A worker is about to be forked. `anew`: why it begins with `init`, if it does."""
        actor = self._turns.actors[name]
        if anew:
            reinitialise(self._turns, actor, anew, self.now_s())
        actor.incarnation, actor.secret = incarnation, secret
        actor.pid, actor.live, actor.fenced = None, True, False
        actor.was_ready = actor.revived = False
        actor.ended_turns = 0
        self._turns.started(actor)

    def _root_spawned(self, name: str, incarnation: int, pid: int) -> None:
        actor = self._turns.actors[name]
        if incarnation != actor.incarnation or not actor.live:
            return
        self._turns.batch.incarnation_pids.append((pid, actor.id, incarnation))
        self._workers.started(actor, pid, self.now_s())

    def _root_exited(
        self,
        name: str,
        incarnation: int,
        kind: str,
        reason: str,
        wanted: bool,
        by_others: bool = False,
    ) -> None:
        actor = self._turns.actors[name]
        if incarnation != actor.incarnation or not actor.live:
            return
        # What has already arrived is from a living worker; what comes later is nobody's.
        self._workers.take(math.inf, self.now_s())
        self._workers.gone(actor)
        death = Death(reason, kind, wanted, by_others)
        bury(self._turns, actor, death, self._boxes.read(actor), self.now_s())
        self._boxes.done(actor)
        reached("broker.buried")

    def _root_child_answer(self, parent: str, turn: int, index: int, value: dict[str, Any]) -> None:
        """What an actor wanted done with what it has spawned is done, or cannot be."""
        children.answered(self._turns, parent, turn, index, value, self.now_s())

    def _root_phase(self, name: str, phase: str, reason: str, is_over: bool = False) -> None:
        """`is_over`: it was spawned, and is not started again by itself, or with its parent."""
        actor = self._turns.actors.get(name)
        if actor is None:
            return
        actor.phase = phase
        if not actor.takes_messages():
            self._turns.unblock(actor)
        timers.wake(self._turns, actor)
        self._turns.batch.phases.append((phase, reason, actor.id))
        self._turns.touched[name] = actor
        waits.settled(self._turns, actor, phase, reason, is_over, self.now_s())

    def _root_decided(self, subject: str, payload: dict[str, Any]) -> None:
        self._turns.decided(subject, payload)

    def _root_closing(self) -> None:
        self._turns.closing = True

    def _root_stats(self, call: int) -> None:
        self._turns.tell_root("stats", call, self._mailbox_counts())

    def _mailbox_counts(self) -> dict[str, dict[str, int]]:
        return {
            actor.name: {"messages": actor.mailbox.messages, "bytes": actor.mailbox.bytes}
            for actor in self._turns.actors.values()
        }

    def _take_counts(self) -> list[tuple[Any, ...]]:
        """The answers to `stats` that wait for a commit: what they say is so without it."""
        out = self._turns.out
        found = [item for item in out if isinstance(item, ToRoot) and item.message[0] == "stats"]
        self._turns.out = [item for item in out if item not in found]
        return [item.message for item in found]

    def _root_end(self) -> None:
        self._ending = self._delay.ends = True

    # Commit and release

    def _commit(self) -> None:
        self._commit_by_s = None
        batch = self._turns.batch
        if batch.is_empty():
            return
        reached("broker.before-commit")
        # While it fails, nothing of the group has happened, and nothing of it leaves. If it is
        # never written nothing is lost that was promised: workers and clients have it still.
        waited_s = self._delay.attempt(lambda: self._log.write(batch))
        if waited_s:
            self._clock.leave_out(waited_s)
            self._ending = self._ending or self._delay.ends
        reached("broker.after-commit")
        self._turns.batch = Batch()
        self._boxes.committed()
        self._clients.committed(self._turns.next_seq - 1)

    def _release(self) -> None:
        frames = Frames(self._log, self._turns, self.now_s())
        acked, self._turns.acked = self._turns.acked, {}
        for actor in acked.values():
            frames.acknowledge(actor)
        out, self._turns.out = self._turns.out, []
        for item in out:
            if isinstance(item, ToClient):
                self._clients.answer(item.client, item.value)
            elif isinstance(item, ToRoot):
                self._root.send(item.message)
            else:
                frames.add(item)
        frames.hand_out()
        for route, messages in frames.by_route.items():
            self._workers.send(route, messages)
        self._root.flush()
        if out or acked:
            reached("broker.released")

    def _checkpoint(self, checkpoint: Callable[[], None]) -> None:
        """What is committed is safe in the WAL: that there is no room for more in the file now,
        the next commits will tell."""
        try:
            checkpoint()
        except sqlite3.Error as error:
            if not judge(error, self._log.path).passes:
                raise

    def close(self) -> None:
        self._workers.socket.close()
        self._clients.socket.close()
        self._context.term()
        self._checkpoint(self._log.empty_wal)
        self._log.close()
