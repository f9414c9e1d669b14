"""What is kept of states: all that must be, and nothing else."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.test_members import send
from tests.broker.whole import Whole
from theater.broker.keeping import LARGE_BYTES, LARGE_EVERY, is_kept
from theater.client.reader import LogReader
from theater.events import EventType, content_hash, ref, ref_hash, refs_in

LARGE = LARGE_BYTES + 1


@pytest.mark.parametrize(
    ("every", "size", "turn", "first"),
    list(itertools.product((None, 1, 7), (0, LARGE_BYTES, LARGE), (1, 7, 99, 100), (False, True))),
)
def test_every_so_many_turns_is_kept_and_the_first(
    every: int | None, size: int, turn: int, first: bool
) -> None:
    step = every if every is not None else (1 if size <= LARGE_BYTES else LARGE_EVERY)
    assert is_kept(turn, size, every, first) == (first or turn % step == 0)


def state(number: int, size: int = LARGE) -> bytes:
    return number.to_bytes(4, "big") * (size // 4 + 1)


class Run(Whole):
    """A system of one actor, or several."""

    def turn(
        self,
        name: str,
        state: bytes | None,
        *sent: bytes,
        body: bytes = b"x",
        reply: bytes | None = None,
    ) -> None:
        """One turn, with what it sends to nobody, and no commit. With a `reply` it is a request."""
        kind = "send" if reply is None else "request"
        self.turns.deliver_from_client(name, body, kind, f"client-{self.turns.next_message}")
        worker = self.workers[name]
        worker.take()
        worker.begin()
        for each in sent:
            worker.send("nobody", each)
        worker.end(state, reply)

    def kept(self) -> set[int]:
        """The turns whose states are among the contents."""
        return {
            turn
            for (turn,) in self.query("SELECT turn FROM turns t JOIN blobs b ON b.hash = t.state")
        }

    def loose(self) -> list[bytes]:
        return [bytes_ for (bytes_,) in self.query("SELECT bytes FROM last_states")]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Its turn 1, an init, is done; no state."""
    system = Run(tmp_path, order("a", state_every=10))
    system.start("a")
    return system


def test_a_state_takes_the_place_of_the_one_before(run: Run) -> None:
    for turn in range(2, 15):
        run.turn("a", state(turn))
        run.step()
        assert run.loose() == ([] if turn == 10 else [state(turn)])
    assert run.kept() == {10}
    assert run.query("SELECT turn FROM turns WHERE kept") == [(1,), (10,)]
    assert run.problems() == []


def test_of_several_turns_in_one_commit_the_last_is_written(run: Run) -> None:
    for turn in range(2, 7):
        run.turn("a", state(turn))
    written = run.turns.batch.last_states
    assert list(written.values()) == [(content_hash(state(6)), state(6))]
    assert run.turns.batch.blobs == []
    run.step()
    assert run.loose() == [state(6)] and run.problems() == []


def test_where_nothing_is_said_small_states_are_kept_and_large_ones_go(tmp_path: Path) -> None:
    run = Run(tmp_path, order("a"))
    run.start("a")
    for turn in range(2, 6):
        run.turn("a", state(turn, LARGE_BYTES - 4))
    for turn in range(6, 9):
        run.turn("a", state(turn, LARGE_BYTES))
    run.step()
    assert run.kept() == {2, 3, 4, 5} and run.loose() == [state(8, LARGE_BYTES)]
    run.turn("a", None)
    run.step()
    assert run.loose() == [] and run.problems() == []


def test_what_an_incarnation_begins_with_is_kept_and_the_first_that_it_makes(run: Run) -> None:
    for turn in range(2, 5):
        run.turn("a", state(turn))
    run.step()
    run.kill("a")
    assert run.loose() == [state(4)]
    run.start("a")
    assert run.kept() == {4} and run.loose() == []
    for turn in range(5, 9):
        run.turn("a", state(turn))
    run.step()
    assert run.kept() == {4, 5} and run.loose() == [state(8)]
    assert run.problems() == []


def test_the_state_before_a_failed_turn_is_kept(run: Run) -> None:
    run.turn("a", state(2))
    run.turn("a", state(3))
    send(run, "a", b"kills")
    worker = run.workers["a"]
    worker.take()
    worker.begin()
    run.kill("a")  # all of it in one commit
    assert run.kept() == {3, 4} and run.loose() == []
    assert run.query("SELECT turn, status, kept FROM turns WHERE turn > 2") == [
        (3, "done", 0),
        (4, "waiting", 1),
    ]
    assert run.problems() == []


def test_a_state_that_stays_the_same_is_kept_when_its_turn_has_come(run: Run) -> None:
    for _ in range(2, 10):
        run.turn("a", state(7))
        run.step()
    assert run.kept() == set() and run.loose() == [state(7)]
    run.turn("a", state(7))
    run.step()
    assert run.kept() == set(range(2, 11)) and run.loose() == []
    run.turn("a", state(7))
    run.step()
    assert run.loose() == [] and run.problems() == []


def test_a_state_that_is_something_else_too_is_not_lost(run: Run) -> None:
    run.turn("a", state(1), body=state(1))  # its input
    run.turn("a", state(2), state(2))  # what it sends
    run.turn("a", state(3))
    run.turn("a", state(4), state(3))  # what it sends is the state before
    run.step()
    run.turn("a", state(5), state(4))
    run.turn("a", state(6), reply=state(6))
    run.turn("a", state(7))
    run.step()
    contents = {bytes_ for (bytes_,) in run.query("SELECT bytes FROM blobs")}
    assert contents == {state(number) for number in (1, 2, 3, 4, 6)}
    assert run.loose() == [state(7)] and run.problems() == []


def test_a_state_that_an_event_refers_to_without_its_bytes_is_not_lost(run: Run) -> None:
    """As only a strange worker does it: it is there, so it may."""
    run.turn("a", state(1))
    run.step()
    send(run, "a", b"x")
    worker = run.workers["a"]
    worker.take()
    record = worker.begin()
    record.add(EventType.HOST_CALL, "wasi:i/i", "f", [[ref(content_hash(state(1)))], None])
    worker.end(state(2))
    run.step()
    assert run.query("SELECT bytes FROM blobs") == [(state(1),)]
    assert run.loose() == [state(2)] and run.problems() == []


def test_a_broker_that_comes_in_place_of_one_that_died_decides_as_it_would_have(run: Run) -> None:
    run.turn("a", state(2))
    run.turn("a", state(3))
    run.step()
    other = order("a", state_every=10)
    again = run.replaced(other)
    assert isinstance(again, Run) and again.actor("a").loose_bytes == len(state(3))
    again.turn("a", state(4))  # not the first of its incarnation
    again.step()
    assert again.kept() == set() and again.loose() == [state(4)]
    again = again.again(other)  # and everything dies
    again.start("a")
    assert again.kept() == {4} and again.loose() == []
    assert again.problems() == []


def test_a_reader_finds_a_state_wherever_it_is(run: Run) -> None:
    for turn in range(2, 13):
        run.turn("a", state(turn))
    run.step()
    log = LogReader(str(run.directory / "chain.db"))
    assert log.state("a") == state(12)
    found = {number: log.content(content_hash(state(number))) for number in (2, 10, 11, 12)}
    assert found == {2: None, 10: state(10), 11: None, 12: state(12)}
    view = log.query("SELECT turn, hash, size FROM states WHERE actor = 'a' AND turn > 9")
    size = len(state(0))
    assert [(turn, hash, known) for turn, hash, known in view] == [
        (turn, content_hash(state(turn)).hex().upper(), None if turn == 11 else size)
        for turn in (10, 11, 12)
    ]


def test_what_a_larger_state_has_taken_is_used_again(tmp_path: Path) -> None:
    run = Run(tmp_path, order("a", state_every=1000))
    run.start("a")
    chance = random.Random(1)
    sizes = [5 * LARGE, *(chance.randrange(LARGE, 5 * LARGE) for _ in range(150))]
    for turn, size in enumerate(sizes, 2):
        run.turn("a", state(turn, size))
        run.step()
    ((bytes_,),) = run.query("SELECT page_count * 4096 FROM pragma_page_count")
    # Twice, since SQLite writes the new one before it frees the old one; and all else.
    assert bytes_ < 2 * sizes[0] + 4000 * len(sizes), f"{bytes_} bytes"
    assert run.problems() == []


# Any history


class Model:
    """Which contents have to be there, by what the chains say alone."""

    def __init__(self, run: Run) -> None:
        self.needed: set[bytes] = set()
        self.last: dict[str, bytes | None] = {}
        self._first: dict[str, int] = {}  # the incarnation that has ended a turn
        for name, actor in run.turns.actors.items():
            for event in run.chain(name):
                every = actor.settings.state_every
                self._take(name, every, event.type, event.incarnation, event.turn, event.payload)
        for (body,) in run.query("SELECT body_hash FROM messages WHERE body_hash NOT NULL"):
            self.needed.add(body)

    def _take(
        self, name: str, every: int | None, type: str, incarnation: int, turn: int, payload: Any
    ) -> None:
        last = self.last.get(name)
        others = refs_in(payload)
        if type == EventType.WASM_CALL and (before := ref_hash(payload[0])) is not None:
            others.remove(before)
        elif type == EventType.WASM_RESULT:
            new = ref_hash(payload[0]["ok"][0])
            if new is not None:
                others.remove(new)
                if self._first.get(name) != incarnation or turn % (every or LARGE_EVERY) == 0:
                    self.needed.add(new)
            self._first[name] = incarnation
            self.last[name] = new
        elif type in (EventType.STARTED, EventType.TURN_FAILED) and last is not None:
            self.needed.add(last)
        self.needed.update(others)


def check(run: Run, why: str) -> None:
    model = Model(run)
    small = {
        hash
        for hash, size in run.query("SELECT hash, length(bytes) FROM blobs")
        if size <= LARGE_BYTES
    }
    kept = {hash for (hash,) in run.query("SELECT hash FROM blobs")}
    everywhere = {a.settings.state_every for a in run.turns.actors.values()} != {None}
    assert not model.needed - kept, f"{why}: what has to be there is not"
    assert not kept - model.needed - (set() if everywhere else small), f"{why}: more than is needed"
    for name, hash in run.query(
        "SELECT a.name, l.hash FROM last_states l JOIN actors a ON a.id = l.actor"
    ):
        assert hash == model.last[name], f"{why}: an older state of {name}"
    loose = {hash for (hash,) in run.query("SELECT hash FROM last_states")}
    for name, last in model.last.items():
        assert last is None or last in kept | loose, f"{why}: the last state of {name} is gone"


@pytest.mark.parametrize("seed", range(60))
def test_any_history_keeps_what_must_be_kept_and_nothing_else(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    every = chance.choice([None, 1, 2, 3, 5])
    orders = [order(name, state_every=every, max_deliveries=2) for name in ("a", "b")]
    run = Run(tmp_path, *orders)
    pool = [state(number, chance.choice([8, 2000, LARGE])) for number in range(6)]
    for number in range(60):
        name = chance.choice("ab")
        worker = run.workers.get(name)
        if worker is None:
            worker = run.expect(name, anew=chance.choice(["", "", "operator"]))
            if not worker.actor.initialised:
                worker.begin()
                worker.end(chance.choice(pool))
            continue
        match chance.choice(["turn"] * 8 + ["commit"] * 3 + ["kill", "lose", "fail", "new", "all"]):
            case "turn":
                body = chance.choice([b"x", chance.choice(pool)])
                sent = [chance.choice(pool)] if chance.random() < 0.2 else []
                reply = chance.choice(pool) if chance.random() < 0.2 else None
                run.turn(name, chance.choice([None, *pool, *pool]), *sent, body=body, reply=reply)
            case "commit":
                run.step()
            case "kill":
                run.kill(name)
            case ("lose" | "fail") as how:
                send(run, name, chance.choice(pool))
                worker.take()
                worker.begin()
                run.kill(name) if how == "lose" else run.fail(name)
            case "new":
                run.step()
                run = run.replaced(*orders)
            case "all":
                run.step()
                run = run.again(*orders)
        if run.turns.batch.is_empty():
            check(run, f"seed {seed}, step {number}")
    run.step()
    check(run, f"seed {seed}")
    if seed % 6 == 0:
        assert run.problems() == [], f"seed {seed}"
