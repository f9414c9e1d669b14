"""Let actors and supervisors come and go: read from the log what `register` decides with."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from theater import calls
from theater.addresses import parent as above
from theater.broker import (
    anew,
    burial,
    channels,
    children,
    outstanding,
    recovery,
    register,
    revival,
    rounds,
    timers,
    waits,
)
from theater.broker.actors import ROOT, Actor, Chain
from theater.broker.boxes import Boxes
from theater.broker.log import Log
from theater.broker.mailbox import WINDOW
from theater.broker.register import SUPERVISOR, Order, name_of, role_of
from theater.broker.revival import Living
from theater.broker.stored import OpenRow, StoredActor
from theater.broker.turns import Turns
from theater.events import decode, internalise, refs_in


class Members:
    """`commit` writes what has been decided so far, so that the log can be read."""

    def __init__(self, turns: Turns, log: Log, boxes: Boxes, commit: Callable[[], None]) -> None:
        self._turns = turns
        self._log = log
        self._stored = log.stored
        self._boxes = boxes
        self._commit = commit
        # By the ask that they were born of, what is answered if that is open: who is gone since
        # the last broker.
        self._gone: dict[tuple[str, int, int], dict[str, Any]] = {}

    # Start-up

    def register(
        self, orders: list[Order], living: list[Living], phases: dict[str, str], now_s: float
    ) -> None:
        """All that root wants, at once; what the log knows beside them is gone.

        `living`: incarnations that go on, if this broker comes in place of one that died;
        `phases` of their actors and all others.
        """
        turns = self._turns
        stored = {each.name: each for each in self._stored.actors()}
        turns.next_actor = max((each.id for each in stored.values()), default=0) + 1
        wanted = {name_of(order): order for order in orders}
        if ROOT not in wanted:
            flags = stored[ROOT].facts.get("flags") if ROOT in stored else None
            wanted = {ROOT: {"name": ROOT, "kind": SUPERVISOR, "flags": flags}, **wanted}
        opened = {row.actor: row for row in self._stored.open_turns()}
        for each in list(stored.values()):
            order = wanted.get(each.name)
            if not each.removed and (order is None or role_of(order) != each.role):
                reason = "no longer in the manifest" if order is None else "its address is reused"
                stored[each.name] = self._remove_stored(each, opened.get(each.id), reason, now_s)
                self._note_gone(each, reason)
        for name, order in wanted.items():
            register.enter(turns, order, stored.get(name))
        for actor in turns.actors.values():
            recovery.load_window(actor, self._log.mailbox_after(actor.id, 0, WINDOW))
        self._recall(None)
        for name, phase in phases.items():
            turns.actors[name].phase = phase
        for child, position, waiting in self._stored.subscriptions():
            children.subscribed(turns, child, position, waiting)
        channels.load(turns, self._stored.channels())
        timers.load(turns, self._stored.timers(), now_s)
        rounds.load(turns, self._stored.loops())
        outstanding.load(turns, self._stored.outstanding(), now_s)
        going_on = {one.name for one in living}
        asks = {(row[0], row[1]): row[2:] for row in self._stored.open_asks()}
        states = {each.id: each.state for each in stored.values()}
        for row in opened.values():
            opener = turns.by_id.get(row.actor)
            ask, timeout_s = asks.get((row.actor, row.turn), (None, None))
            if opener is None:
                recovery.close_books(turns, row, ask, states[row.actor])
                continue
            self._reopen(opener, row, ask, timeout_s, opener.name in going_on, now_s)
            outdated = register.outdated(stored[opener.name], wanted[opener.name])
            if outdated is not None:
                burial.abandon(turns, opener, outdated, now_s)
            register.end_world_call(turns, opener, now_s)
        outstanding.sweep(turns, now_s)
        for one in living:
            self._revive(turns.actors[one.name], one, now_s)
        self._bury_unseen(going_on, now_s)
        used = {each.name: each.last_incarnation for each in stored.values()}
        turns.tell_root("registered", dict.fromkeys(turns.actors, 0) | used)

    def _note_gone(self, gone: StoredActor, reason: str) -> None:
        spawned = gone.facts.get("spawned")
        if spawned is None:
            return
        last = self._stored.last_exit(gone.id)
        exit = {} if last is None else decode(last).payload
        answer = waits.gone(gone.name, reason)
        if exit.get("kind") == "crash":  # and its supervisor has given it up
            answer = {"err": f"failed: {gone.name}: {exit['reason']}"}
        self._gone[above(gone.name), spawned[0], spawned[1]] = answer

    def _remove_stored(
        self, gone: StoredActor, opened: OpenRow | None, reason: str, now_s: float
    ) -> StoredActor:
        chain = Chain(
            gone.id,
            gone.name,
            head=gone.head,
            length=gone.length,
            incarnation=gone.last_incarnation,
        )
        waiting = map(recovery.message_from, self._log.waiting_after(gone.id, 0))
        begun = None
        for turn, message, deliveries in self._stored.waiting_turns(gone.id):
            if message is not None:
                begun = (turn, message, deliveries, 0)
        if opened is not None and opened.message is not None:
            begun = (opened.turn, opened.message, opened.deliveries, opened.steps)
        timed = [(row[1], row[4]) for row in self._stored.timers(gone.id)]
        register.remove(self._turns, chain, reason, waiting, gone.state, begun, now_s, timed)
        return replace(gone, removed=True, head=chain.head, length=chain.length)

    def _reopen(
        self,
        actor: Actor,
        row: OpenRow,
        open_ask: int | None,
        timeout_s: float | None,
        goes_on: bool,
        now_s: float,
    ) -> None:
        recorded = self._stored.turn_events(actor.id, row.turn)
        waited_s = 0.0
        if open_ask is not None and timeout_s is not None:
            waited_s = self._stored.waited_s(actor.id, row.turn, open_ask)
        last = recovery.reopen(
            self._turns, actor, row, recorded, open_ask, timeout_s, waited_s, now_s
        )
        current = actor.current
        assert current is not None
        if current.shutdown:
            actor.result = self._result(recorded)
        if current.ask is not None and current.ask.interface == calls.SUPERVISOR:
            (arguments,) = decode(recorded[current.ask.index]).payload
            arguments = internalise(arguments, self._contents(arguments))
            born = self._gone.get((actor.name, row.turn, current.ask.index))
            if born is not None:
                self._turns.answer(actor, born, now_s)
                self._turns.tell_root("child_settled", actor.name, row.turn, open_ask)
            else:
                children.reopened(self._turns, actor, current, current.ask, arguments)
        if goes_on and open_ask is None:
            revival.answer_again(self._turns, actor, last, self._contents(last.payload))

    def _contents(self, payload: Any) -> dict[bytes, bytes]:
        contents = {}
        for hash in refs_in(payload):
            content = self._log.blob(hash)
            assert content is not None, "a committed event refers to nothing"
            contents[hash] = content
        return contents

    def _result(self, recorded: list[bytes]) -> bytes | None:
        """What the turn gave `shutdown` last."""
        *_, called = filter(revival.is_shutdown, map(decode, recorded))
        ((data,), _) = called.payload
        result: bytes | None = internalise(data, self._contents(data))
        return result

    def _revive(self, actor: Actor, living: Living, now_s: float) -> None:
        known = self._stored.incarnation(actor.id, living.incarnation)
        if known is not None and known[1] is not None:
            last_exit = self._stored.last_exit(actor.id)
            assert last_exit is not None
            revival.buried_already(self._turns, actor, last_exit)
            return
        is_ready = known is not None and known[0] is not None
        if known is None and living.anew:
            anew.reinitialise(self._turns, actor, living.anew, now_s)
        limit = actor.settings.recycle_turns or 1
        ended = self._stored.ended_turns(actor.id, actor.next_turn, living.incarnation, limit)
        revival.revive(self._turns, actor, living, known is not None, is_ready, ended)
        if self._has_shut_down(actor):
            actor.shut_down = True
            actor.due_s = now_s + actor.settings.turn_timeout_s
            self._turns.deadlines.watch(actor)
        self._turns.maybe_recycle(actor)

    def _has_shut_down(self, actor: Actor) -> bool:
        """Whether the last turn that its last incarnation has ended was its last: with which
        result, and whether it was `init`, is known from then on."""
        turn = actor.next_turn - 1
        if actor.current is not None or turn <= 0:
            return False
        last = self._stored.turn_events(actor.id, turn)
        if not revival.has_shut_down(last, actor.incarnation):
            return False
        actor.result = self._result(last)
        actor.ignored = revival.is_init(last)
        return True

    def _bury_unseen(self, going_on: set[str], now_s: float) -> None:
        """Incarnations of whose end the log knows nothing: the system was killed, or the broker."""
        kept = []
        for actor in self._turns.actors.values():
            if actor.name in going_on:
                kept.append(actor)
                continue
            known = self._stored.incarnation(actor.id, actor.incarnation)
            if known is not None and known[1] is None:  # else it has been judged
                actor.ended_turns = self._stored.ended_turns(
                    actor.id, actor.next_turn, actor.incarnation, 1
                )
                by_itself = actor.birth is not None and self._has_shut_down(actor)
                box = self._boxes.read(actor)
                burial.bury_unseen(self._turns, actor, box, by_itself, now_s)
        self._boxes.all_done(kept)

    # While the system runs

    def adopt(self, order: Order, now_s: float) -> None:
        """Let one in, or give one that is there other settings."""
        name = name_of(order)
        chain = self._turns.chain(name)
        if chain is not None:
            register.change(self._turns, chain, order, now_s)
            return
        if name in self._turns.batch.moved:
            self._commit()
        before = self._stored.actor(name)
        chain = register.enter(self._turns, order, before)
        if before is not None and isinstance(chain, Actor):
            recovery.load_window(chain, self._log.mailbox_after(chain.id, 0, WINDOW))
            timers.load(self._turns, self._stored.timers(chain.id), now_s)
            rounds.load(self._turns, self._stored.loops(chain.id))
            self._recall(chain.id)

    def _recall(self, id: int | None) -> None:
        """Who has sent to an actor (None: to each), and which inputs have killed before."""
        for actor, sender in self._stored.senders(id):
            if actor in self._turns.by_id:
                self._turns.by_id[actor].senders.add(sender)
        recovery.count_deliveries(self._turns, self._stored.failed_deliveries(id))

    def remove(self, name: str, reason: str, now_s: float) -> None:
        """Let one go for good; it has no live incarnation."""
        turns = self._turns
        chain = turns.chain(name)
        assert chain is not None, f"there is no {name} that could be removed"
        if name in turns.batch.moved:
            self._commit()
        if not isinstance(chain, Actor):
            register.remove(turns, chain, reason)
            return
        mailbox = chain.mailbox
        if mailbox.messages > len(mailbox.window):
            self._commit()  # before the decision: it is one, and commits as one
        burial.abandon(turns, chain, f"its actor has been removed: {reason}", now_s)
        older = list(mailbox.window)
        newer = map(recovery.message_from, self._log.waiting_after(chain.id, mailbox.last_loaded))
        begun = None
        if older and older[0].numbered:
            begun = (chain.next_turn, older[0].id, older[0].deliveries, 0)
        register.remove(
            turns,
            chain,
            reason,
            itertools.chain(older, newer),
            chain.state,
            begun,
            now_s,
            timers.rows_of(chain),
        )
