"""`theater why`: what killed an actor, or what one turn of it did, from the log alone."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theater import difference
from theater.causes import Account, follows
from theater.cli import contents, page
from theater.cli.account import account_json, wrapped
from theater.cli.attempts import attempt_json, attempt_lines, body_lines, crossings, head
from theater.cli.contents import MORE, content_json, short_hash, sized
from theater.cli.decisions import decided
from theater.cli.headline import headline
from theater.cli.page import utc_time
from theater.cli.place import Place, meant
from theater.cli.record import event_json
from theater.cli.status import duration
from theater.cli.story import AGAIN, fate_of, kind_word, pid_of, spawned
from theater.cli.terminal import BOLD, DIM, RED, Stream, Terminal
from theater.deaths import Death, deaths, sentence
from theater.errors import TheaterError
from theater.values import visible

if TYPE_CHECKING:
    from theater.client.reader import LogReader
    from theater.client.turn import Message, Turn


@dataclass(frozen=True, slots=True)
class Crash:
    """What there is to tell: how an incarnation died, or a turn, or both."""

    name: str
    death: Death | None
    turn: Turn | None
    after: Account | None  # what the supervisor did about the death
    fate: str  # what became of the message: the rest of a sentence; "" if there is none
    replay: str  # the command that replays up to the turn; "" if there is no turn
    theater: str = "theater"  # how commands begin that mean the same system
    is_run: bool = False  # it is a recorded one


def why(terminal: Terminal, place: Place, name: str, number: int | None, as_json: bool) -> None:
    log = place.reader()
    try:
        name = actor_of(log, name)
        found = crash_of(log, place, name, number)
        if as_json:
            terminal.print(json.dumps(crash_json(found, log), indent=2))
        elif found.death is None and found.turn is None:
            terminal.print(f"{visible(name)} has not failed, as far as the log goes back")
            if (birth := spawned(log, name)) is not None:
                terminal.print(f"it was spawned {visible(str(birth))}")
        else:
            for line in tell(found, log, terminal.out, time.time()):
                terminal.print(line)
        cut_off = None if number is not None else _cut_off(log, place, name)
        if cut_off is not None:
            terminal.note(
                f"incarnation {cut_off} was running when the system ended; what it was at, the"
                " next `theater up` reads from its black box"
            )
    finally:
        log.close()


def _cut_off(log: LogReader, place: Place, name: str) -> int | None:
    """The incarnation of whose end the log knows nothing, though nothing runs any more."""
    rows = log.query(
        "SELECT i.incarnation, i.ended_at FROM incarnations i JOIN actors a ON a.id = i.actor"
        " WHERE a.name = ? ORDER BY i.incarnation DESC LIMIT 1",
        name,
    )
    if not rows or rows[0][1] is not None or place.is_run or place.is_starting():
        return None
    return int(rows[0][0])


def actor_of(log: LogReader, name: str) -> str:
    """What the log calls this actor; TheaterError if it knows none of that name."""
    from theater.quoting import quoted

    wanted, actors = name.rstrip("/"), log.actors()
    if wanted in actors:
        return wanted
    if (wanted or "/") in log.supervisors():
        raise TheaterError(
            f"{name} is a supervisor and runs no turns; theater why-restarted {name} tells what"
            " became of it"
        )
    raise TheaterError(f"the log knows no actor {quoted(name)}{meant(name, actors)}")


def crash_of(log: LogReader, place: Place, name: str, number: int | None) -> Crash:
    """Of an actor's last death, or of turn `number`, whatever became of it."""
    from theater.client.history import History
    from theater.client.turn import turn_of

    past = History(log)
    if number is None:
        death = next(deaths(past, name), None)
        turn = None if death is None or death.turn is None else turn_of(log, name, death.turn)
    else:
        turn = turn_of(log, name, number)
        if turn is None:
            raise TheaterError(no_turn(log, name, number))
        death = next(
            (each for each in deaths(past, name) if each.turn == number), None
        ) if turn.attempts or turn.reason else None  # fmt: skip
    theater = f"theater{place.options()}"
    return Crash(
        name=name,
        death=death,
        turn=turn,
        after=None if death is None else follows(past, name, death.incarnation),
        fate="" if turn is None or death is None else _fate(log, turn, death),
        replay=""
        if turn is None
        else f"{theater} replay {shlex.quote(name)} --from {turn.number} --until {turn.number}",
        theater=theater,
        is_run=place.is_run,
    )


def no_turn(log: LogReader, name: str, number: int) -> str:
    from theater.client.turn import turns_between

    there = turns_between(log, name)
    text = f"the log has no turn {number} of {name}"
    return f"{text}: it has run none" if there is None else f"{text}; it has {_range(*there)}"


def _range(first: int, last: int) -> str:
    return f"turn {first}" if first == last else f"turns {first} to {last}"


def _fate(log: LogReader, turn: Turn, death: Death) -> str:
    fate = fate_of(log, turn.actor, turn.number, death.again)
    if fate != AGAIN:
        return fate
    match turn.status:
        case "done":
            return f"was delivered again, and incarnation {turn.incarnation} ended its turn"
        case "failed":
            last = fate_of(log, turn.actor, turn.number, again=False)
            return f"was delivered again, failed again and {last}" if last != AGAIN else AGAIN
    return fate


# For people ----------------------------------------------------------------------------------


def tell(crash: Crash, log: LogReader, stream: Stream, now_at: float) -> Iterator[str]:
    """`now_at`: Unix time."""
    death, turn = crash.death, crash.turn
    codes = (BOLD,) if death is None else (BOLD, RED)
    for line in wrapped(visible(title(crash)), stream.width(), 0, 0):
        yield stream.style(line, *codes)
    for name, value in _facts(crash, log, now_at):
        yield f"  {stream.style(name.ljust(11), DIM)} {visible(value)}"
    if turn is not None:
        yield from _turn(crash, turn, log, stream)
    if crash.after is not None:
        yield head(stream, "what was done about it")
        for line in _after(crash.after, now_at):
            for cut in wrapped(visible(line), stream.width(), 2, 2):
                yield f"  {cut}"
    advice = list(_advice(crash, log))
    if advice:
        yield head(stream, "what to do")
    width = max((len(command) for command, _ in advice), default=0)
    for command, why in advice:
        yield f"  {visible(command.ljust(width))}  {stream.style(why, DIM)}"


def title(crash: Crash) -> str:
    """What killed it, or what became of the turn, in a sentence."""
    death, turn = crash.death, crash.turn
    if death is None:
        assert turn is not None
        return f"turn {turn.number} of {crash.name} {_became(turn)}"
    said = f"{crash.name} {sentence(death)}"
    if turn is not None and turn.status == "done":
        return f"turn {turn.number} of {crash.name} {_became(turn)}; before that {said}"
    return f"{said} (while it was starting)" if death.starting else said


def _became(turn: Turn) -> str:
    match turn.status:
        case "done":
            return "succeeded"
        case "failed":
            return f"failed: {turn.reason}"
        case "open":
            return "is open: it has committed a step, and has not ended"
        case "renumbered":
            return "never was: its actor began anew before it, and its message has another number"
    return f"has not ended: {turn.reason or 'it is waited for'}"


def _facts(crash: Crash, log: LogReader, now_at: float) -> Iterator[tuple[str, str]]:
    death, turn = crash.death, crash.turn
    if death is not None:
        yield "time", f"{page.moment(death.at)}, {duration(max(0.0, now_at - death.at))} ago"
        yield "incarnation", f"{death.incarnation}{pid_of(log, crash.name, death.incarnation)}"
    elif turn is not None and turn.incarnation is not None:
        yield "incarnation", f"{turn.incarnation}{pid_of(log, crash.name, turn.incarnation)}"
    if turn is not None:
        message = turn.message
        what = turn.kind if message is None else f"a {kind_word(message.kind)} {_from(message)}"
        yield "turn", f"{turn.number}, {what}"
        if turn.fuel is not None and turn.status == "done":
            yield "fuel", f"{turn.fuel:,}"
    elif death is not None:
        yield "turn", "none: it was at nothing"
    if crash.fate:
        yield "message", crash.fate
    if (birth := spawned(log, crash.name)) is not None:
        yield "spawned", str(birth)


def _from(message: Message) -> str:
    if message.kind == "tick":
        return f"of its timer {visible((message.body or b'').decode(errors='replace'))}"
    if message.kind == "loop":
        return f"that its turn {message.sender_turn} has left"
    sender = "a client" if message.sender is None else message.sender
    if message.kind.startswith("child-"):
        return f"of its child {sender}"
    on = "" if message.channel is None else f"on {message.channel} "
    turn = "" if message.sender_turn is None else f", in its turn {message.sender_turn}"
    return f"{on}from {sender}{turn}"


def _turn(crash: Crash, turn: Turn, log: LogReader, stream: Stream) -> Iterator[str]:
    from theater.client.turn import events_of

    if turn.message is not None:
        yield head(stream, f"message ({sized(turn.message.body, turn.message.size)})")
        yield from body_lines(turn.message.kind, turn.message.body, log.content, stream)
    before = None if turn.before is None else log.content(turn.before)
    yield head(stream, f"state before the turn{_state_size(before, turn.before)}")
    yield from contents.content(before, contents.not_kept(turn.before), MORE)
    if turn.committed:
        yield head(stream, "what the turn had committed" if turn.status != "done" else "its calls")
        yield from crossings(events_of(turn.committed), log.content, stream)
    for attempt in turn.attempts:
        if crash.death is None or attempt.incarnation == crash.death.incarnation:
            yield from attempt_lines(attempt, log.content, stream, crash.death is None)
        else:
            number, reason = attempt.incarnation, attempt.reason
            yield head(stream, f"incarnation {number} had failed at it too: {visible(reason)}")
    if turn.status == "done":
        yield from _state_after(turn, before, log, stream)


def _state_after(turn: Turn, before: bytes | None, log: LogReader, stream: Stream) -> Iterator[str]:
    after = None if turn.after is None else log.content(turn.after)
    if turn.after == turn.before:
        yield head(stream, "the state is the same after the turn")
        return
    yield head(stream, f"state after the turn{_state_size(after, turn.after)}")
    if before and after:
        yield from (f"  {line}" for line in difference.told(before, after))
    else:
        yield from contents.content(after, contents.not_kept(turn.after), MORE)


def _state_size(state: bytes | None, hash: bytes | None) -> str:
    return "" if state is None or hash is None else f" ({sized(state)}, {short_hash(hash)})"


def _after(account: Account, now_at: float) -> Iterator[str]:
    yield headline(account, now_at, "")
    decision = account.decision
    told = decided(decision.facts) if decision is not None else None
    if decision is not None and told is not None:
        yield f"{decision.name}: {told.text}"


def _advice(crash: Crash, log: LogReader) -> Iterator[tuple[str, str]]:
    """(command, what for)."""
    if crash.replay:
        yield crash.replay, "to run it once more, up to there"
    if crash.turn is not None and crash.turn.status == "failed" and not crash.is_run:
        rows = log.query(
            "SELECT id FROM dead_letters WHERE actor = ? AND turn = ? AND status = 'open'",
            crash.name,
            crash.turn.number,
        )
        if rows and crash.turn.message is not None:
            yield f"{crash.theater} dead retry {rows[0][0]}", "when it can be handled"
    if crash.after is not None:
        yield f"{crash.theater} why-restarted {crash.name}", "what was decided, and by which rule"


# For programs --------------------------------------------------------------------------------


def crash_json(crash: Crash, log: LogReader) -> dict[str, Any]:
    death, turn, birth = crash.death, crash.turn, spawned(log, crash.name)
    return {
        "actor": crash.name,
        "spawned_by": None if birth is None else {"actor": birth.by, "turn": birth.turn},
        "failed": death is not None,
        "headline": None if death is None and turn is None else title(crash),
        "death": None
        if death is None
        else {
            "time": utc_time(death.at),
            "incarnation": death.incarnation,
            "cause": death.cause.value,
            "reason": death.reason,
            "while_starting": death.starting,
            "delivered_again": death.again,
        },
        "turn": None if turn is None else turn_json(turn, log),
        "message": crash.fate or None,
        "afterwards": None if crash.after is None else account_json(crash.after),
        "replay": crash.replay or None,
    }


def turn_json(turn: Turn, log: LogReader) -> dict[str, Any]:
    message = turn.message
    return {
        "number": turn.number,
        "kind": turn.kind,
        "status": turn.status,
        "incarnation": turn.incarnation,
        "steps": turn.steps,
        "fuel": turn.fuel,
        "reason": turn.reason,
        "message": None
        if message is None
        else {
            "id": message.id,
            "from": message.sender,
            "from_turn": message.sender_turn,
            "channel": message.channel,
            "size": message.size,
            "body": None if message.body is None else content_json(message.body),
        },
        "state_before": state_json(turn.before, log),
        "state_after": state_json(turn.after, log) if turn.status == "done" else None,
        "committed": [event_json(row, log.content) for row in turn.committed],
        "attempts": [attempt_json(each, log.content) for each in turn.attempts],
    }


def state_json(hash: bytes | None, log: LogReader) -> dict[str, Any] | None:
    if hash is None:
        return None
    state = log.content(hash)
    return {"sha256": hash.hex(), **({} if state is None else content_json(state))}
