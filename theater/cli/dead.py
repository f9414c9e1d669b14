"""`theater dead`: what was set aside or came nowhere, why, and what is to become of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from theater.cli import contents, page
from theater.cli.attempts import attempt_json, attempt_lines, body_lines, crossings, head
from theater.cli.contents import MORE, amount, short_hash
from theater.cli.decisions import listed
from theater.cli.page import utc_time
from theater.cli.place import Place, Usage, choose_actors
from theater.cli.record import event_json
from theater.cli.status import REASON_MIN, duration
from theater.cli.terminal import BOLD, DIM, RED, Stream, Terminal, table
from theater.errors import NotDelivered, TheaterError
from theater.values import json_content, shortened, visible

if TYPE_CHECKING:
    from theater.client import System
    from theater.client.dead import DeadLetter, Report
    from theater.client.reader import LogReader

COLUMNS = ("ID", "TIME", "ACTOR", "FROM", "KIND", "SIZE", "STATUS")
RIGHT = frozenset({0, 5})
ID_MAX = (1 << 63) - 1  # the log counts no further
# After such an answer all others for that actor would be refused, or come in another order.
CLOSED = ("no-actor:", "stopped:", "mailbox-full:")


def list_(
    terminal: Terminal, place: Place, actor: str | None, decided: bool, as_json: bool
) -> None:
    log = place.reader()
    try:
        letters = _of(log, actor, decided)
    finally:
        log.close()
    if as_json:
        terminal.print(json.dumps([_letter_json(letter) for letter in letters], indent=2))
        return
    for line in listing(letters, terminal.out, decided):
        terminal.print(line)
    if not letters:
        terminal.note("no dead letters" if decided else "no dead letters are open")


def _of(log: LogReader, actor: str | None, decided: bool) -> list[DeadLetter]:
    """Those for an actor, or for all below a supervisor; None: for everybody."""
    from theater.client import dead

    actors = None
    if actor is not None:
        known = dict.fromkeys([*log.actors(), *log.supervisors(), *dead.addressees(log)])
        actors = choose_actors(list(known), [actor])
    return dead.dead_letters(log, actors, decided)


def listing(letters: list[DeadLetter], stream: Stream, with_status: bool) -> list[str]:
    """The table's lines; a terminal with little room shows reasons below their letters."""
    if not letters:
        return []
    columns = COLUMNS if with_status else COLUMNS[:-1]
    cells = [_cells(letter)[: len(columns)] for letter in letters]
    header, *rows = table(columns, cells, RIGHT)
    used = max(map(len, (header, *rows)))
    width = stream.width()
    beside = width is None or width - used - 2 >= REASON_MIN
    shown = [stream.style(f"{header.ljust(used)}  REASON" if beside else header, BOLD)]
    for row, letter in zip(rows, letters, strict=True):
        reason = visible(letter.reason)
        if beside:
            cut = shortened(reason, None if width is None else width - used - 2)
            shown.append(f"{row.ljust(used)}  {stream.style(cut, DIM)}")
        else:
            shown += [row, stream.style(f"  {shortened(reason, max(width or 0, 40) - 2)}", DIM)]
    return shown


def _cells(letter: DeadLetter) -> list[str]:
    return [
        str(letter.id),
        page.moment(letter.at),
        visible(letter.actor),
        visible(_sender(letter)),
        letter.kind,
        amount(letter.size),
        _fate(letter),
    ]


def _sender(letter: DeadLetter) -> str:
    if letter.message is None:
        return "-"
    if letter.sender is None:
        return "timer" if letter.kind == "tick" else "client"
    return letter.sender


def _fate(letter: DeadLetter) -> str:
    """The status in a word or two."""
    again = letter.again
    if again is not None and again.dead_letter is not None:
        return f"{letter.status}, dead again: {again.dead_letter}"
    return letter.status


# One -----------------------------------------------------------------------------------------


def show(terminal: Terminal, place: Place, id: int, as_json: bool) -> None:
    from theater.client import dead

    _check([id])
    log = place.reader()
    try:
        report = dead.dead_letter(log, id)
        if as_json:
            terminal.print(json.dumps(report_json(report, log), indent=2))
            return
        for line in tell(report, log, terminal.out, time.time()):
            terminal.print(line)
    finally:
        log.close()


def tell(report: Report, log: LogReader, stream: Stream, now_at: float) -> Iterator[str]:
    """The crash report. `now_at`: Unix time."""
    letter = report.letter
    yield stream.style(f"dead letter {letter.id}, {letter.status}", BOLD)
    ago = duration(max(0.0, now_at - letter.at))
    for name, value in (
        ("time", f"{page.moment(letter.at)}, {ago} ago"),
        ("for", visible(letter.actor)),
        ("from", _from(letter)),
        ("kind", _kind(letter)),
        ("turn", _turn(report)),
        ("reason", stream.style(visible(letter.reason), RED)),
    ):
        yield f"  {stream.style(name.ljust(7), DIM)} {value}"
    if letter.message is not None:
        yield head(stream, f"message ({amount(letter.size)})")
        yield from body_lines(letter.kind, report.body, log.content, stream)
    if letter.turn is not None:
        yield head(stream, f"state before the turn{_state_size(report)}")
        yield from contents.content(report.state, contents.not_kept(letter.state), MORE)
    if report.committed:
        yield head(stream, "what the turn had committed")
        yield from crossings([row.event for row in report.committed], log.content, stream)
    for attempt in report.attempts:
        yield from attempt_lines(attempt, log.content, stream)
    yield head(stream, "what to do")
    for line in _advice(letter):
        yield f"  {line}"


def _from(letter: DeadLetter) -> str:
    if letter.message is None:
        return "-"
    if letter.sender is None:
        return "its timer" if letter.kind == "tick" else "a client"
    if letter.kind.startswith("child-"):
        return f"what became of its child {visible(letter.sender)}"
    if letter.kind == "loop":
        return f"its own turn {letter.sender_turn}"
    turn = "" if letter.sender_turn is None else f", in its turn {letter.sender_turn}"
    return f"{visible(letter.sender)}{turn}"


def _kind(letter: DeadLetter) -> str:
    kind = letter.kind if letter.channel is None else f"{letter.kind} {visible(letter.channel)}"
    if letter.asks:
        kind = f"{kind}; whoever asked has had an error, and does not wait any more"
    return kind


def _turn(report: Report) -> str:
    letter = report.letter
    if letter.turn is None:
        return "none: it was not delivered"
    where = "" if report.incarnation is None else f", last run by incarnation {report.incarnation}"
    steps = "1 step" if report.steps == 1 else f"{report.steps or 'no'} steps"
    return f"{letter.turn}{where}; {steps} of it committed"


def _state_size(report: Report) -> str:
    hash = report.letter.state
    if hash is None or report.state is None:
        return ""
    return f" ({amount(len(report.state))}, {short_hash(hash)})"


def _advice(letter: DeadLetter) -> Iterator[str]:
    actor = visible(letter.actor)
    when = "" if letter.decided_at is None else f" at {page.moment(letter.decided_at)}"
    again = letter.again
    if letter.status == "dropped":
        yield f"nothing: it was dropped{when}"
    elif again is not None:
        yield f"nothing: it was retried{when}, as message {again.message}; {_since_then(letter)}"
    elif letter.message is None:
        yield f"theater restart {actor}: it was an init, not a message that could be retried"
    else:
        last = "; nobody gets the answer" if letter.asks else ""
        last = "; its loop goes on from there" if letter.kind == "loop" else last
        yield f"theater dead retry {letter.id}  a new message for {actor}, after all others{last}"
        yield f"theater dead drop {letter.id}   let it be; it stays in the log"


def _since_then(letter: DeadLetter) -> str:
    again = letter.again
    assert again is not None
    if again.dead_letter is not None:
        return f"that is dead letter {again.dead_letter} now"
    if again.status == "done":
        return f"turn {again.turn} has handled it"
    return "that waits in the mailbox"


# For programs --------------------------------------------------------------------------------


def _letter_json(letter: DeadLetter) -> dict[str, Any]:
    again = letter.again
    return {
        "id": letter.id,
        "time": utc_time(letter.at),
        "actor": letter.actor,
        "from": letter.sender,
        "from_turn": letter.sender_turn,
        "kind": letter.kind,
        "channel": letter.channel,
        "size": letter.size,
        "message": letter.message,
        "turn": letter.turn,
        "reason": letter.reason,
        "status": letter.status,
        "decided": None if letter.decided_at is None else utc_time(letter.decided_at),
        "retried_as": None
        if again is None
        else {
            "message": again.message,
            "status": again.status,
            "turn": again.turn,
            "dead_letter": again.dead_letter,
        },
    }


def report_json(report: Report, log: LogReader) -> dict[str, Any]:
    hash, state = report.letter.state, report.state
    return {
        **_letter_json(report.letter),
        "body": None if report.body is None else json_content(report.body),
        "incarnation": report.incarnation,
        "steps": report.steps,
        "state": None
        if hash is None
        else {"sha256": hash.hex(), **({} if state is None else json_content(state))},
        "committed": [event_json(row, log.content) for row in report.committed],
        "attempts": [attempt_json(each, log.content) for each in report.attempts],
    }


# Retried and dropped -------------------------------------------------------------------------


def decide(
    terminal: Terminal,
    place: Place,
    verb: str,
    ids: list[int],
    actor: str | None,
    everything: bool,
) -> None:
    """`verb`: retry or drop; the letters of these numbers, or the open ones for an actor, or all.

    One after the other, the oldest first: each is committed before the next.
    """
    if bool(ids) == bool(actor is not None or everything):
        raise Usage("name dead letters by their numbers, or give --actor ACTOR or --all")
    from theater.client import dead

    _check(ids)
    system = place.system()
    refused, closed, left = 0, set[str](), list[int]()
    try:
        log = system.log
        chosen = dead.of_numbers(log, ids) if ids else _of(log, actor, decided=False)
        known = {letter.id: letter for letter in chosen}
        for id in dict.fromkeys(ids) if ids else known:
            letter = known.get(id)
            if letter is not None and letter.actor in closed:
                left.append(id)
                continue
            try:
                told = _retry(system, id, letter) if verb == "retry" else _drop(system, id)
                terminal.print(told)
                terminal.flush()
            except NotDelivered as error:
                refused += 1
                terminal.error(f"cannot {verb} dead letter {id}: {error}")
                if letter is not None and str(error).startswith(CLOSED):
                    closed.add(letter.actor)
    finally:
        system.close()
    if left:
        terminal.error(f"not tried after that: {listed(list(map(str, left)))}")
    if not ids and not known:
        terminal.note("no dead letters are open")
    if refused:
        raise SystemExit(1)


def _check(ids: list[int]) -> None:
    for id in ids:
        if id > ID_MAX:
            raise TheaterError(f"there is no dead letter {id}")


def _retry(system: System, id: int, letter: DeadLetter | None) -> str:
    message = system.retry_dead(id)
    whose = "" if letter is None else f" for {visible(letter.actor)}"
    answer = "; nobody gets its answer" if letter and letter.asks else ""
    return f"dead letter {id}: message {message}{whose}{answer}"


def _drop(system: System, id: int) -> str:
    system.drop_dead(id)
    return f"dead letter {id}: dropped"
