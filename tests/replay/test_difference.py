"""A record that says something else than what happened: found at the right event, and explained."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import Theater, actor
from tests.real.test_carrying_on import hold, is_open, kill
from tests.replay.generated import source
from theater.client import System
from theater.engine import make_engine
from theater.events import Event, EventType, encode, refs_in
from theater.journal import contents_of
from theater.replay.compare import Settings
from theater.replay.explain import explain
from theater.replay.player import Played, Player
from theater.replay.recording import Recording
from theater.replay.slices import Began, Crossing, Ending, Run
from theater.supervisor.cache import prepare

# Each line asks a handler for something and logs what it was told.
SCRIPT = b"\n".join(
    [
        b"self",
        b"send b echo x",
        b"send nobody.else x",
        b"request b echo hello",
        b"open b echo welcome",
        b"chain",
        b"log outstanding:",
        b"outstanding",
        b"append !",
    ]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of a probe, a peer, one that traps, an actor that is all clocks and random, and one
    that cannot be carried on: its third incarnation found out."""
    directory = tmp_path_factory.mktemp("recorded")
    (directory / "g.wat").write_text(source(5, ["g"], traps=False))
    theater = Theater(directory)
    system = theater.up(
        *(actor("a"), actor("b"), actor("g", str(directory / "g.wat")), actor("t")),
        actor("f", "fickle.wat", extra="request_timeout = 600\n"),
        head="[supervisor]\nintensity = 100\n",
    )
    try:
        for _ in range(2):
            system.request("a", SCRIPT)
        system.send("t", b"log before\ntrap")
        for _ in range(4):
            system.request("g", b"\x00what")
        system.wait_for(lambda: set_aside(system, "t"), "the trap")
        b = hold(system, "b")
        system.send("f", b"b")
        system.wait_for(lambda: is_open(system, "f"), "the ask")
        kill(system, "f")
        os.kill(b, signal.SIGCONT)
        system.wait_for(lambda: set_aside(system, "f"), "it to be found out")
    finally:
        theater.end()
    yield directory / ".theater"


def set_aside(system: System, name: str) -> bool:
    return any(letter.actor == name for letter in system.dead_letters())


@pytest.fixture(scope="module")
def recording(data: Path) -> Iterator[Recording]:
    recording = Recording(str(data))
    yield recording
    recording.close()


Change = Callable[[Run], Run]
STRICT = Settings()


def play(
    recording: Recording,
    name: str,
    turn: int,
    change: Change,
    settings: Settings = STRICT,
    incarnation: int = 1,
) -> tuple[Run, Played]:
    """Replay an actor up to a turn whose record is changed: what was recorded, and what came.
    `incarnation`: that ran it."""
    player: Player | None = None
    engine = make_engine()
    try:
        for item in recording.slices(name):
            if isinstance(item, Began):
                if player is not None:
                    player.close()
                path = prepare(recording.component(item.component)).path
                began = item
                player = Player(name, began.incarnation, began.limits, settings, path, engine, None)
                state_is_known = False
            elif isinstance(item, Run):
                assert player is not None
                if not state_is_known:
                    hash, state_is_known = item.state(), True
                    player._state = None if hash is None else recording.content(hash)
                wanted = (item.turn, item.incarnation) == (turn, incarnation)
                run = change(item) if wanted else item
                hashes, places = contents_of(each.event for each in run.own)
                call = item.call()
                assert call is not None
                contents = {each: recording.content(each) for each in hashes}
                contents |= {each: recording.content(each) for each in refs_in(call.payload[1])}
                chains = {place: recording.chain_part(place) for place in places}
                played = player.play(run, contents, chains)
                if wanted:
                    return item, played
                assert played.difference is None
    finally:
        if player is not None:
            player.close()
    raise AssertionError(f"{name} has no turn {turn}")


def with_event(run: Run, index: int, **changes: Any) -> Run:
    """The run with another event at `index`."""
    own = list(run.own)
    own[index] = crossing(replace(own[index].event, **changes))
    return replace(run, own=own)


def crossing(event: Event) -> Crossing:
    fields = (event.actor, event.incarnation, event.turn, event.index)
    rest = (event.type, event.interface, event.function, event.payload)
    return Crossing(encode(*fields, *rest), event)


def another(value: Any) -> Any:
    """A plausible other value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return value + b"x"
        case {"ok": None}:
            return {"err": "refused: no"}
        case {"err": str(text)}:
            return {"err": text + "?"}
        case list():
            return [*value, "x"] if not value or isinstance(value[0], str) else another_item(value)
        case dict():
            key = next(iter(value))
            return {**value, key: another(value[key])}
    raise AssertionError(f"another {value!r}")


def another_item(value: list[Any]) -> list[Any]:
    return [another(value[0]), *value[1:]]


def same(run: Run) -> Run:
    return run


def events_of(recording: Recording, name: str, turn: int) -> list[Event]:
    run, played = play(recording, name, turn, same)
    assert played.difference is None and played.events == len(run.own)
    return [each.event for each in run.own]


def differing(recording: Recording, name: str, turn: int, change: Change) -> tuple[int, Played]:
    """The index of the event at which a changed record is found out."""
    _, played = play(recording, name, turn, change)
    assert played.difference is not None, "nobody noticed"
    recorded = played.difference.recorded
    return (-1 if recorded is None else recorded.event.index), played


def answers(events: list[Event]) -> Iterator[tuple[int, str, list[Any]]]:
    """(index, function, payload with another answer) of everything that was answered."""
    for event in events:
        name = f"{event.interface}.{event.function}"
        if event.type == EventType.HOST_ANSWER and event.function != "get-chain":
            yield event.index, name, [another(event.payload[0])]
        elif event.type == EventType.HOST_CALL and event.payload[1:] not in ([], [None]):
            yield event.index, name, [event.payload[0], another(event.payload[1])]


def test_another_answer_of_each_function_shows_in_the_next_thing_that_is_done(
    recording: Recording,
) -> None:
    told = set()
    events = events_of(recording, "a", 2)
    for index, name, payload in answers(events):
        later = next(each for each in events[index + 1 :] if each.type != EventType.LOG)

        def change(run: Run, index: int = index, payload: list[Any] = payload) -> Run:
            return with_event(run, index, payload=payload)

        if name.endswith((".send", "list-outstanding-requests")):
            # What is made of it is not the next call.
            found, _ = differing(recording, "a", 2, change)
            assert index < found
        else:
            assert differing(recording, "a", 2, change)[0] == later.index, name
        told.add(name.rpartition(".")[2])
    assert told >= {"self", "send", "request", "open-channel", "list-outstanding-requests"}


def test_another_clock_or_random_number_is_found(recording: Recording) -> None:
    events = events_of(recording, "g", 3)
    told = set()
    for index, name, payload in answers(events):

        def change(run: Run, index: int = index, payload: list[Any] = payload) -> Run:
            return with_event(run, index, payload=payload)

        found, _ = differing(recording, "g", 3, change)
        assert index < found <= len(events) - 1
        told.add(name)
    assert told, "seed 5 asks for nothing"


def test_what_the_guest_says_is_compared(recording: Recording) -> None:
    for event in events_of(recording, "a", 2):
        if event.type == EventType.HOST_CALL and event.payload[0]:
            arguments = another_item(event.payload[0])

            def change(run: Run, event: Event = event, arguments: list[Any] = arguments) -> Run:
                return with_event(run, event.index, payload=[arguments, *event.payload[1:]])

            assert differing(recording, "a", 2, change)[0] == event.index


def test_a_call_too_few_or_too_many_is_found_where_it_is(recording: Recording) -> None:
    events = events_of(recording, "a", 2)
    logs = [event.index for event in events if event.function == "log"]

    def without(run: Run) -> Run:
        own = [each for each in run.own if each.event.index != logs[0]]
        return replace(run, own=[crossing(replace(e.event, index=i)) for i, e in enumerate(own)])

    def twice(run: Run) -> Run:
        own = [*run.own[: logs[0] + 1], *run.own[logs[0] :]]
        return replace(run, own=[crossing(replace(e.event, index=i)) for i, e in enumerate(own)])

    assert differing(recording, "a", 2, without)[0] == logs[0]
    assert differing(recording, "a", 2, twice)[0] == logs[0] + 1


def test_fuel_alone_is_a_difference_where_it_can_be_compared(recording: Recording) -> None:
    def change(run: Run) -> Run:
        result = run.own[-1].event
        return with_event(run, result.index, payload=[result.payload[0], result.payload[1] + 1])

    index, played = differing(recording, "a", 2, change)
    assert index == played.events
    told = told_of(recording, played)
    assert told.changes == (f"fuel: {played_fuel(played) + 1} -> {played_fuel(played)}",)
    assert "instructions" in told.cause
    _, played = play(recording, "a", 2, change, Settings(same_engine=False))
    assert played.difference is None


def played_fuel(played: Played) -> int:
    assert played.difference is not None
    return int(played.difference.found[3][1])


def told_of(recording: Recording, played: Played) -> Any:
    assert played.difference is not None
    recorded = played.difference.recorded
    return explain(
        [],
        None if recorded is None else recorded.data,
        played.found,
        played.contents,
        recording.log.content,
    )


def test_another_failure_is_a_difference(recording: Recording) -> None:
    failure = events_of(recording, "t", 2)[-1]
    assert failure.type == EventType.WASM_ERROR
    for key, value in (("message", "ouch"), ("kind", "fuel"), ("backtrace", []), ("fuel", 1)):

        def change(run: Run, key: str = key, value: Any = value) -> Run:
            return with_event(run, failure.index, payload={**failure.payload, key: value})

        assert differing(recording, "t", 2, change)[0] == failure.index


def test_a_state_that_was_not_the_last_one_is_found_at_the_call(recording: Recording) -> None:
    def change(run: Run) -> Run:
        call = run.own[0].event
        return with_event(run, 0, payload=[None, call.payload[1]])

    assert differing(recording, "a", 3, change)[0] == 0


def test_of_one_that_died_before_it_recorded_anything_new_nobody_knows_how_far_it_came(
    recording: Recording,
) -> None:
    run, played = play(recording, "f", 2, same, incarnation=2)
    assert played.difference is None and run.ending is Ending.FAILED
    assert run.own[-1].event.payload["kind"] == "diverged"

    def died_at_once(run: Run) -> Run:
        return replace(run, own=run.own[:1], ending=Ending.LEFT)

    _, played = play(recording, "f", 2, died_at_once, incarnation=2)
    assert played.difference is None and played.events == 1

    def went_on(run: Run) -> Run:
        return replace(run, own=run.own[:-1], ending=Ending.DONE)

    _, played = play(recording, "f", 2, went_on, incarnation=2)
    assert played.difference is not None
