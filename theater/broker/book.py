"""What the broker knows of all actors, and what it has decided since the last commit. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from theater.broker import chains, storetables
from theater.broker.actors import ROOT, Actor, Chain, Handed, Supervisor, Timer
from theater.broker.batch import Batch
from theater.broker.deadlines import Deadlines
from theater.broker.mailbox import Message
from theater.chain import link
from theater.events import EventType, encode


@dataclass(frozen=True, slots=True)
class ToWorker:
    """One message for the worker that runs an actor now; dropped if none is connected."""

    actor: Actor
    message: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Welcome:
    """Tell a worker where it stands; made after the commit, of what is committed."""

    actor: Actor


@dataclass(frozen=True, slots=True)
class ChainPart:
    """An answer that is a part of the log: events `first` to `last`, read after the commit."""

    actor: Actor
    turn: int
    index: int
    of: str  # whose chain it is
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class StatePart:
    """An answer that is a state in the log, read after the commit."""

    actor: Actor
    turn: int
    index: int
    state: bytes | None  # its hash


@dataclass(frozen=True, slots=True)
class ToClient:
    """The answer to the request that a client made under its own id `client`."""

    client: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToRoot:
    message: tuple[Any, ...]


Out = ToWorker | Welcome | ChainPart | StatePart | ToClient | ToRoot


@dataclass(slots=True)
class Book:
    """All actors, and what has been decided since the last commit."""

    message_max: int
    state_max: int
    next_actor: int = 1
    next_seq: int = 1
    next_message: int = 1
    next_dead_letter: int = 1
    next_evidence: int = 1
    actors: dict[str, Actor] = field(default_factory=dict)
    by_id: dict[int, Actor] = field(default_factory=dict)
    supervisors: dict[str, Supervisor] = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)
    out: list[Out] = field(default_factory=list)
    acked: dict[str, Actor] = field(default_factory=dict)  # to be told which step was their last
    touched: dict[str, Actor] = field(default_factory=dict)  # may be handed inputs
    deadlines: Deadlines[Actor] = field(default_factory=Deadlines)
    timers: Deadlines[Timer] = field(default_factory=Deadlines)
    # Of clients, by their own ids: what they have asked and is outstanding, as (callee, request);
    # who does not wait any more for what no turn has received yet; what was put off, as (client,
    # callee), and `Clients` has not seen.
    client_requests: dict[str, tuple[Actor, str]] = field(default_factory=dict)
    gone_clients: set[str] = field(default_factory=set)
    put_off: list[tuple[str, str]] = field(default_factory=list)
    store_rows: storetables.Rows = field(default_factory=storetables.NoRows)
    chain_rows: chains.Rows = field(default_factory=chains.NoRows)
    at: float = 0.0  # Unix time written beside the rows of this batch
    closing: bool = False  # the system goes down: stopped actors collect messages

    def tell_root(self, *message: Any) -> None:
        self.out.append(ToRoot(message))

    def add(self, chain: Chain) -> None:
        if isinstance(chain, Actor):
            self.actors[chain.name] = chain
            self.by_id[chain.id] = chain
        elif isinstance(chain, Supervisor):
            self.supervisors[chain.name] = chain

    def drop(self, chain: Chain) -> None:
        self.actors.pop(chain.name, None)
        self.by_id.pop(chain.id, None)
        self.touched.pop(chain.name, None)
        self.supervisors.pop(chain.name, None)

    def chain(self, name: str) -> Chain | None:
        """The actor or supervisor that is there under this name."""
        return self.actors.get(name) or self.supervisors.get(name)

    def append(
        self,
        chain: Chain,
        incarnation: int,
        turn: int,
        index: int,
        type: str,
        function: str,
        line: str | None,
        data: bytes,
    ) -> None:
        chain.head = link(chain.head, data)
        self.batch.events.append(
            (
                self.next_seq,
                chain.id,
                chain.length,
                incarnation,
                turn,
                index,
                type,
                function,
                line,
                data,
                chain.head,
                self.at,
            )
        )
        self.next_seq += 1
        chain.length += 1
        self.appended(chain, type, data)

    def appended(self, chain: Chain, type: str, data: bytes) -> None:
        """A chain has one more event. Whoever is told of it is told here."""

    def lifecycle(self, chain: Chain, type: EventType, payload: dict[str, Any]) -> None:
        """An event that the supervisor or the broker adds to a chain."""
        data = encode(
            chain.name, chain.incarnation, 0, chain.length, type, "theater", type, payload
        )
        self.append(chain, chain.incarnation, 0, chain.length, type, type, None, data)

    def decided(self, subject: str, payload: dict[str, Any]) -> None:
        """A supervisor has decided about `subject`, which has a chain; else it is the root's."""
        chain = self.chain(subject or ROOT)
        if chain is None:
            chain = self.supervisors[ROOT]
            payload = {"subject": subject, **payload}
        self.lifecycle(chain, EventType.DECIDED, payload)

    def turn_row(
        self,
        actor: Actor,
        handed: Handed,
        status: str,
        done_steps: int,
        fuel: int | None = None,
        reason: str | None = None,
    ) -> None:
        message = handed.message
        self.batch.turns.append(
            (
                actor.id,
                handed.turn,
                handed.kind,
                message.id if message else None,
                status,
                actor.incarnation,
                done_steps,
                message.deliveries if message else actor.init_deliveries,
                actor.state,
                fuel,
                reason,
                self.at,
                actor.loose_bytes is None,
            )
        )

    def keep_state(self, actor: Actor) -> None:
        """The actor's state is needed beyond its next turn: see keeping.py."""
        if actor.loose_bytes is None:
            return
        waiting = self.batch.last_states.get(actor.id)
        if waiting is not None:
            self.batch.blobs.append(waiting)
        else:
            self.batch.kept_states.append((actor.id,))
        self.batch.last_states[actor.id] = None
        actor.loose_bytes = None

    def started(self, actor: Actor) -> None:
        """An incarnation begins, with the actor's state as it is."""
        self.keep_state(actor)
        self.batch.incarnations.append((actor.id, actor.incarnation, None, self.at))
        self.lifecycle(actor, EventType.STARTED, {"component": actor.component})

    def ready(self, actor: Actor) -> None:
        if not actor.was_ready:
            actor.was_ready = True
            self.lifecycle(actor, EventType.READY, {})
            self.batch.incarnation_ready.append((self.at, actor.id, actor.incarnation))
        self.tell_root("ready", actor.name, actor.incarnation)

    def dead_letter(
        self,
        message: Message | None,
        actor: str,
        turn: int | None,
        reason: str,
        state: bytes | None,
        evidence: int | None,
    ) -> None:
        self.batch.dead_letters.append(
            (
                self.next_dead_letter,
                message.id if message else None,
                actor,
                turn,
                reason,
                state,
                evidence,
                self.at,
            )
        )
        self.next_dead_letter += 1
        self.batch.count("dead_letters")
