"""Replay an actor: hand its record to a process that runs it again, and tell what comes of it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from theater.engine import SETTINGS
from theater.errors import Damaged, TheaterError
from theater.events import EventType, refs_in
from theater.journal import contents_of
from theater.replay.process import PlayerProcess
from theater.replay.recording import Recording
from theater.replay.slices import Began, Crossing, Ended, Ending, Run
from theater.spec import Limits, SupervisorSpec, SystemSpec
from theater.supervisor.cache import open_verified, prepare

# What goes to the process at once, and what may be on its way: each frame wakes somebody.
BATCH, BATCH_BYTES = 32, 1024 * 1024
WINDOW = 4 * BATCH
TURN_S = 120.0  # where live 30 s are what a turn has
WINDOW_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What is replayed, and how strictly."""

    first_turn: int | None = None  # from the start of the incarnation that began it
    until: int | None = None  # the last turn
    component: str | None = None  # the path of another one
    allow_logs: bool = False  # other lines than were recorded are no difference
    one_by_one: bool = False  # the next turn runs only when somebody wants to know of it
    states: bool = False  # tell the state after each turn
    beyond: bool = False  # of a run that was cut short: tell where it went on from there
    turn_s: float = TURN_S  # that a turn may take


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event that is not as it was."""

    recorded: bytes | None  # event bytes; None: the record had ended
    found: bytes
    contents: tuple[bytes, ...]  # that `found` refers to


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run, and what came of it now."""

    began: Began
    run: Run
    events: int  # that are as they were
    difference: Difference | None
    lines: tuple[str, ...]  # that differ and may: -LINE is missing, +LINE is new
    state: bytes | None  # after it, if that was wanted
    beyond: tuple[str, ...]  # where it was after what is recorded, innermost first
    is_same_component: bool
    compares_fuel: bool


def replay(
    recording: Recording, actor: str, options: Options | None = None
) -> Iterator[Replayed | Ended]:
    """Each run of a turn in the order of the chain, and each end of an incarnation.

    Stops after the first difference. Raises TheaterError: of the log, a component, the process.
    """
    with Replayer(recording) as replayer:
        yield from replayer.replay(actor, options)


def state_at(recording: Recording, actor: str, turn: int) -> bytes | None:
    """The state after a turn, computed: for one whose bytes are not kept.

    Raises TheaterError if the replay differs before it.
    """
    for item in replay(recording, actor, Options(first_turn=turn, until=turn, states=True)):
        if isinstance(item, Ended):
            continue
        if item.difference is not None:
            raise Damaged(f"turn {item.run.turn} of {actor} does not replay as it was recorded")
        if item.run.turn == turn and item.run.ending is Ending.DONE:
            return item.state
    raise TheaterError(f"turn {turn} of {actor} has not ended: it left no state")


class Replayer:
    """Replays actors of one recording, one after the other, in one process.

    `lent`: the process, if there is one already that owes nothing; it lives on, unless a replay
    ends while it owes something.
    """

    def __init__(self, recording: Recording, lent: PlayerProcess | None = None) -> None:
        self._recording = recording
        self._process = self._lent = lent
        self._components: dict[str, tuple[str, int]] = {}  # path or hash -> hash, descriptor
        self._on_stage = ""  # the component that the process has

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lent is None or self._process is not self._lent:
            self._end()
        for _sha256, descriptor in self._components.values():
            os.close(descriptor)

    def replay(self, actor: str, options: Options | None = None) -> Iterator[Replayed | Ended]:
        """See the function of this name."""
        if self._process is None:
            self._process = PlayerProcess()
        run = _Replay(self, self._recording, actor, options or Options(), self._process)
        try:
            yield from run.all()
        finally:
            if run.is_owed():
                self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process, self._on_stage = None, ""

    def put_on_stage(self, other: str | None, recorded: str) -> tuple[str, int | None]:
        """The hash of the component that runs: the one at path `other`, else the recorded one; and
        a descriptor of its compiled form if the process has another."""
        wanted = other or recorded
        if wanted not in self._components:
            path = other or self._recording.component(recorded)
            artifact = prepare(path)
            if other is None and artifact.component_sha256 != recorded:
                raise Damaged(f"{path} is not what its name says: it has been changed")
            self._components[wanted] = artifact.component_sha256, open_verified(artifact)
        sha256, descriptor = self._components[wanted]
        is_there, self._on_stage = self._on_stage == sha256, sha256
        return sha256, None if is_there else descriptor


class _Replay:
    def __init__(
        self,
        replayer: Replayer,
        recording: Recording,
        actor: str,
        options: Options,
        process: PlayerProcess,
    ) -> None:
        self._replayer = replayer
        self._recording = recording
        self._actor = actor
        self._options = options
        self._process = process
        self._began: Began | None = None
        self._has_begun = False  # the process knows
        self._is_same = (True, True)  # component; and engine too
        self._sent: deque[tuple[Began, Run, tuple[bool, bool], int] | Ended] = deque()
        self._on_their_way = 0
        self._bytes = 0
        self._batch: list[tuple[object, ...]] = []  # not sent yet
        self._batch_bytes = 0
        self._played: deque[list[Any]] = deque()  # answers that nobody has looked at

    def is_owed(self) -> bool:
        """Whether the process has something to say that nobody waits for."""
        return self._on_their_way > 0

    def all(self) -> Iterator[Replayed | Ended]:
        for item in self._recording.slices(self._actor, self._options.first_turn):
            if isinstance(item, Began):
                self._began, self._has_begun = item, False
            elif isinstance(item, Ended):
                self._sent.append(item)
            elif self._options.until is not None and item.turn > self._options.until:
                break
            else:
                self._send(item)
            while self._is_due():
                yield (replayed := self._receive())
                if _differs(replayed):
                    return
        while self._sent:
            yield (replayed := self._receive())
            if _differs(replayed):
                return

    def _is_due(self) -> bool:
        """Whether to hear of the next one before more is sent."""
        window = 1 if self._options.one_by_one else WINDOW
        return bool(self._sent) and (
            self._on_their_way >= window
            or self._bytes > WINDOW_BYTES
            or isinstance(self._sent[0], Ended)
        )

    def _send(self, run: Run) -> None:
        began = self._began
        if began is None:
            raise Damaged(f"turn {run.turn} of {self._actor} is outside of any incarnation")
        run, contents, chains = self._whole(run)
        if not self._has_begun:
            self._begin(began, run)
        before = [crossing.data for crossing in run.before]
        own = [crossing.data for crossing in run.own]
        ending = run.ending.value
        size = sum(map(len, before)) + sum(map(len, own)) + sum(map(len, contents))
        self._batch.append((run.turn, run.incarnation, ending, before, own, contents, chains))
        self._batch_bytes += size
        if len(self._batch) == BATCH or self._batch_bytes > BATCH_BYTES:
            self._flush()
        self._sent.append((began, run, self._is_same, size))
        self._on_their_way += 1
        self._bytes += size

    def _flush(self) -> None:
        if self._batch:
            self._process.tell(("runs", self._batch))
            self._batch, self._batch_bytes = [], 0

    def _begin(self, began: Began, run: Run) -> None:
        self._flush()  # those before belong to the one before
        sha256, descriptor = self._replayer.put_on_stage(self._options.component, began.component)
        same_component = sha256 == began.component
        same_engine = began.engine == SETTINGS
        wanted = self._options
        self._is_same = (same_component, same_component and same_engine)
        hash = run.state()
        self._process.tell(
            (
                "begin",
                self._actor,
                began.incarnation,
                {**_DEFAULTS, **began.limits},
                (same_component, same_engine, wanted.allow_logs, wanted.states, wanted.beyond),
                descriptor is not None,
                None if hash is None else self._recording.content(hash),
                wanted.turn_s,
            ),
            descriptor,
        )
        self._has_begun = True

    def _whole(self, run: Run) -> tuple[Run, list[bytes], list[list[Any]]]:
        """The run with what its input and its answers refer to.

        What a process had been answered and did not commit need not be there: then its record
        ends before that.
        """
        hashes, places = contents_of(crossing.event for crossing in (*run.before, *run.own))
        call = run.call()
        if call is not None:
            hashes += refs_in(call.payload[1])
        found: dict[bytes, bytes] = {}
        missing: set[bytes] = set()
        for hash in dict.fromkeys(hashes):
            content = self._recording.log.content(hash)
            if content is None:
                missing.add(hash)
            else:
                found[hash] = content
        if missing:
            run = _until(run, missing)
        chains: list[list[Any]] = [
            [place, self._recording.chain_part(place)] for place in dict.fromkeys(places)
        ]
        return run, list(found.values()), chains

    def _receive(self) -> Replayed | Ended:
        first = self._sent.popleft()
        if isinstance(first, Ended):
            return first
        began, run, is_same, size = first
        if not self._played:
            if self._on_their_way == len(self._batch):  # else something is on its way
                self._flush()
            self._played.extend(self._process.hear()[1:])
        self._on_their_way -= 1
        self._bytes -= size
        turn, events, difference, lines, state, beyond = self._played.popleft()
        assert turn == run.turn, "the process answers in another order"
        told = None
        if difference is not None:
            recorded, now, contents = difference
            told = Difference(recorded, now, tuple(contents))
        return Replayed(began, run, events, told, tuple(lines), state, tuple(beyond), *is_same)


def _differs(replayed: Replayed | Ended) -> bool:
    return isinstance(replayed, Replayed) and replayed.difference is not None


_SYSTEM = SystemSpec("", SupervisorSpec(""))
# Of a log that does not say them: what holds where a manifest says nothing.
_DEFAULTS = {
    "memory_bytes": Limits().memory_bytes,
    "fuel": Limits().fuel,
    "turn_bytes": Limits().turn_bytes,
    "message_max": _SYSTEM.message_max_bytes,
    "state_max": _SYSTEM.state_max_bytes,
}


def _until(run: Run, missing: set[bytes]) -> Run:
    """The run as far as everything that it needs is there. Raises Damaged if that is committed."""
    if run.ending is Ending.DONE:
        raise Damaged(f"turn {run.turn}: the content {min(missing).hex()[:12]} is not in the log")
    own: list[Crossing] = []
    for crossing in run.own:
        if crossing.event.type in (EventType.HOST_CALL, EventType.HOST_ANSWER) and (
            missing.intersection(refs_in(crossing.event.payload))
        ):
            break
        own.append(crossing)
    return replace(run, own=own, ending=Ending.LEFT)
