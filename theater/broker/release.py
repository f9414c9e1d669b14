"""What leaves after a commit: the messages for workers, made of what is committed."""

from __future__ import annotations

from typing import Any

from theater import wire
from theater.broker import handing, outstanding, recovery, timers
from theater.broker.actors import TICK, Actor, Handed
from theater.broker.book import ChainPart, StatePart, ToWorker, Welcome
from theater.broker.log import Log
from theater.broker.mailbox import WINDOW
from theater.broker.turns import Turns
from theater.crashpoints import reached
from theater.events import decode
from theater.journal import contents_of

Message = tuple[Any, ...]


class Frames:
    """The messages for each worker, by its routing id; for one that is not there, nothing."""

    def __init__(self, log: Log, turns: Turns, now_s: float) -> None:
        self._log = log
        self._turns = turns
        self._now_s = now_s
        self.by_route: dict[bytes, list[Message]] = {}
        self._welcomed: set[str] = set()  # told where it stands: once, however often it asked

    def acknowledge(self, actor: Actor) -> None:
        """Once, however many steps of it have been committed: its last tells of all before."""
        self._put(actor, [("ack", *actor.committed)])

    def add(self, item: ToWorker | Welcome | ChainPart | StatePart) -> None:
        match item:
            case ToWorker():
                if item.message[0] == "answer":
                    reached("broker.answered", item.actor.name)
                self._put(item.actor, [item.message])
            case Welcome():
                if item.actor.name not in self._welcomed:
                    self._welcomed.add(item.actor.name)
                    self._put(item.actor, self._standing(item.actor))
            case ChainPart():
                self._put(item.actor, [self._read_answer(item, self._shown(item))])
            case StatePart():
                value = None if item.state is None else self._log.blob(item.state)
                assert item.state is None or value is not None, "a kept state has no content"
                self._put(item.actor, [self._read_answer(item, {"ok": value})])

    def hand_out(self) -> None:
        """The inputs for every actor whose turn may have come."""
        touched, self._turns.touched = self._turns.touched, {}
        for actor in touched.values():
            if actor.mailbox.wants_refill():
                rows = self._log.mailbox_after(actor.id, actor.mailbox.last_loaded, WINDOW)
                recovery.load_window(actor, rows)
            handed = handing.hand_out(actor, self._now_s)
            self._put(actor, [self._input(actor, each) for each in handed])
            self._turns.deadlines.watch(actor)

    def _put(self, actor: Actor, messages: list[Message]) -> None:
        if messages and actor.route is not None:
            self.by_route.setdefault(actor.route, []).extend(messages)

    def _standing(self, actor: Actor) -> list[Message]:
        """Where a worker stands, and again what it may not have received."""
        state = None if actor.state is None else self._log.state(actor.id, actor.state)
        assert actor.state is None or state is not None, "a committed state has no content"
        facts = {
            "state": state,
            "senders": sorted(actor.senders),
            "initialised": actor.initialised,
            "committed": list(actor.committed),
            "requests": outstanding.known(actor),
            "channels": [each.id for each in actor.channels.values() if not each.closed],
            "timers": timers.known(actor),
        }
        messages: list[Message] = [("welcome", facts)]
        messages.extend(self._input(actor, handed) for handed in actor.handed)
        if actor.current is not None and actor.current.answered is not None:
            index, value = actor.current.answered
            messages.append(("answer", actor.current.turn, index, value))
        return messages

    def _input(self, actor: Actor, handed: Handed) -> Message:
        if handed.kind == TICK:
            reached("broker.tick-handed", actor.name)
        if not handing.needs_journal(actor, handed):
            return handing.input_message(actor, handed, [])
        assert actor.current is not None
        recorded = self._log.stored.turn_events(actor.id, handed.turn)
        hashes, places = contents_of(map(decode, recorded))
        contents = [self._log.blob(hash) for hash in dict.fromkeys(hashes)]
        assert None not in contents, "a committed answer refers to nothing"
        chains = []
        for place in dict.fromkeys(places):
            name, first, last, _ = wire.unpack(place)
            chains.append([place, self._log.chain_rows.part(name, first, last)])
        journal = [actor.current.step, recorded, contents, chains]
        return handing.input_message(actor, handed, journal)

    def _read_answer(self, part: ChainPart | StatePart, value: Any) -> Message:
        actor = part.actor
        if actor.handed:
            actor.due_s = self._now_s + actor.budget_s
            self._turns.deadlines.watch(actor)
        if actor.current is not None and actor.current.turn == part.turn:
            actor.current.answered = (part.index, value)
        return ("answer", part.turn, part.index, value)

    def _shown(self, part: ChainPart) -> Any:
        """Its own chain is a record, a child's a result."""
        chain = self._log.chain_rows.part(part.of, part.first, part.last)
        return {"events": chain} if part.of == part.actor.name else {"ok": chain}
