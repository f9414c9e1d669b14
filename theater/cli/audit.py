"""`theater audit`: what actors were granted, what of it they used, and the least that would do."""

from __future__ import annotations

import functools
import itertools
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from theater.audit import Account, Audit, Counts, Grant, Imports, manifest_lines, pools, unused
from theater.capabilities import HANDLERS
from theater.cli.place import Place, Usage, choose_actors
from theater.cli.status import number_of, size
from theater.cli.terminal import BOLD, DIM, YELLOW, Stream, Terminal
from theater.errors import Damaged, ProtocolError, TheaterError
from theater.events import FACTS, decode
from theater.paths import DataPaths
from theater.quoting import toml
from theater.values import visible

if TYPE_CHECKING:
    from theater.client.reader import LogReader

PROGRESS_EVERY = 20_000  # events
WIDTH, WIDTH_MIN = 80, 60  # columns, where nobody says how many there are
NAME_WIDTH, GRANTED_WIDTH = 15, 24


class Sizes(NamedTuple):
    """The largest, in bytes."""

    state: int
    sent: int
    received: int


NO_SIZES = Sizes(0, 0, 0)
WARNING = "A run shows only what happened in it: what was not tried may need more."


def audit(terminal: Terminal, place: Place, names: list[str], as_json: bool, as_toml: bool) -> None:
    if as_json and as_toml:
        raise Usage("--json and --toml are two ways to say it: give one of them")
    log = place.reader()
    try:
        actors = choose_actors(log.actors(), names)
        accounts = _accounts(log, actors, terminal.progress)
        sizes = _sizes(log)
    finally:
        log.close()
    imports = _imports(DataPaths(place.data_directory()).components)
    if as_json:
        found = [_json(each, _of_all(sizes, each), imports(each.component)) for each in accounts]
        terminal.print(json.dumps(found, indent=2))
    elif as_toml:
        for line in _head(accounts):
            terminal.print(line)
        for line in manifest_lines(accounts, imports):
            terminal.print(line)
    else:
        for account in accounts:
            known = imports(account.component)
            for line in _told(account, _of_all(sizes, account), known, terminal.out):
                terminal.print(line)
            terminal.print("")
        terminal.note(WARNING if accounts else "the log knows no actor", YELLOW)


# The log


def _accounts(
    log: LogReader, actors: list[str] | None, on_progress: Callable[..., None]
) -> list[Account]:
    @functools.lru_cache(maxsize=100_000)
    def heard_from(actor: str, sender: str) -> bool:
        sql = "SELECT 1 FROM senders s JOIN actors a ON a.id = s.actor"
        return bool(log.query(f"{sql} WHERE a.name = ? AND s.sender = ?", actor, sender))

    audit = Audit(pools(_supervisors(log)), heard_from, log.evidence)
    last = log.last_seq()
    for number, row in enumerate(log.events(actors=actors)):
        if row.seq > last:  # it goes on being written
            break
        if number % PROGRESS_EVERY == 0:
            on_progress(f"reading the log ... event {row.seq:,} of {last:,}", passing=True)
        try:
            audit.take(row.event, len(row.data))
        except ProtocolError as error:
            raise Damaged(
                f"event {row.seq} of the log cannot be read ({error}); see theater verify"
            ) from None
    return audit.end()


def _supervisors(log: LogReader) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with its facts, the last ones."""
    types = " OR ".join(f"e.type = '{type}'" for type in sorted(FACTS))
    for name in log.supervisors():
        rows = log.query(
            "SELECT e.bytes FROM events e JOIN actors a ON a.id = e.actor"
            f" WHERE a.name = ? AND ({types}) ORDER BY e.position DESC LIMIT 1",
            name,
        )
        for (data,) in rows:
            try:
                payload = decode(data).payload
            except ProtocolError:
                continue  # whoever reads its event says so
            if isinstance(payload, dict):
                yield name, payload


def _sizes(log: LogReader) -> dict[str, Sizes]:
    """Of each actor the largest state that is kept, and the largest messages out and in."""
    found: dict[str, Sizes] = {}
    questions = [
        "SELECT t.actor AS id, max(length(b.bytes)), 0, 0 FROM turns t"
        " JOIN blobs b ON b.hash = t.state GROUP BY t.actor",
        # What parents are told of their children nobody has sent.
        "SELECT from_actor AS id, 0, max(size), 0 FROM messages WHERE kind NOT LIKE 'child-%'"
        " GROUP BY from_actor",
        "SELECT to_actor AS id, 0, 0, max(size) FROM messages GROUP BY to_actor",
    ]
    if log.version() >= 4:
        questions.append("SELECT actor AS id, length(bytes), 0, 0 FROM last_states")
    for sql in questions:
        # What is from a client, or for nobody, is no actor's.
        for name, *sizes in log.query(
            f"SELECT a.name, q.* FROM ({sql}) q JOIN actors a ON a.id = q.id"
        ):
            known = found.get(name, NO_SIZES)
            found[name] = Sizes(*map(max, known, sizes[1:]))
    return found


def _of_all(sizes: dict[str, Sizes], account: Account) -> Sizes:
    each = [sizes.get(name, NO_SIZES) for name in account.actors]
    return Sizes(*map(max, zip(*each, strict=True))) if each else NO_SIZES


def _imports(directory: str) -> Imports:
    """Which interfaces a component that is kept imports, if it has been compiled here."""

    @functools.lru_cache(maxsize=1000)
    def imports(sha256: str) -> frozenset[str] | None:
        from theater.supervisor.cache import look

        try:
            artifact = look(f"{directory}/{sha256}")
        except TheaterError:
            return None
        return None if artifact is None else frozenset(artifact.imports)

    return imports


# What is told


def _head(accounts: list[Account]) -> list[str]:
    turns = sum(account.turns for account in accounts)
    return [
        f"# The least that would have done for {number_of(turns, 'recorded turn')}. A run shows",
        "# only what happened in it: what was not tried may need more. Each [[child]] is",
        "# here with its handlers alone; of a manifest of one actor they are [[handler]].",
        "",
    ]


def _told(
    account: Account, sizes: Sizes, known: frozenset[str] | None, stream: Stream
) -> Iterator[str]:
    width = max(stream.width() or WIDTH, WIDTH_MIN)
    counts = [number_of(account.turns, "turn")]
    if account.failed:
        counts.append(f"{account.failed:,} failed")
    if len(account.actors) > 1:
        counts.insert(0, number_of(len(account.actors), "instance"))
    if account.changes:
        counts.append(f"{number_of(account.changes, 'change')} of what it is or may")
    yield f"{stream.style(visible(account.name), BOLD)}  {', '.join(counts)}"
    for grant in sorted(account.grants.values(), key=lambda each: each.type):
        used = _counted(grant.counts) + grant.usage.told()
        if not grant.is_used:
            used = [unused(grant.is_imported(known))]
        yield from _row(grant.type, _granted(grant), used, width, stream)
    if account.wasi.by_name:
        yield from _row("WASI", "always links", _counted(account.wasi), width, stream)
    for name, limit, used_text in _limits(account, sizes):
        yield from _row(name, limit, [used_text], width, stream)


def _row(name: str, granted: str, used: list[str], width: int, stream: Stream) -> Iterator[str]:
    """A line, or some: each cell is broken where it is too wide."""
    room = width - 2 - NAME_WIDTH - 2 - GRANTED_WIDTH - 2
    left = textwrap.wrap(visible(granted), GRANTED_WIDTH, break_on_hyphens=False)
    right = [
        line
        for text in used
        for line in textwrap.wrap(
            visible(text), room, subsequent_indent="  ", break_on_hyphens=False
        )
    ]
    for index, (one, other) in enumerate(itertools.zip_longest(left, right, fillvalue="")):
        head = stream.style((name if index == 0 else "").ljust(NAME_WIDTH), DIM)
        yield f"  {head}  {one.ljust(GRANTED_WIDTH)}  {other}".rstrip()


def _granted(grant: Grant) -> str:
    if grant.granted is None:
        return "not granted"
    settings = [f"{key} = {toml(value)}" for key, value in grant.granted.items()]
    has_settings = grant.type in HANDLERS and HANDLERS[grant.type].settings
    return ", ".join(settings) or ("defaults" if has_settings else "granted")


def _counted(counts: Counts) -> list[str]:
    ordered = sorted(counts.by_name.items(), key=lambda item: (-item[1], item[0]))
    told = [", ".join(f"{_short(name)} {count:,}" for name, count in ordered)]
    return [*told, f"{counts.refused:,} of these refused"] if counts.refused else told


def _short(function: str) -> str:
    """A method of a resource by its own name, as in `descriptor.read`."""
    return function.removeprefix("[method]")


def _limits(account: Account, sizes: Sizes) -> Iterator[tuple[str, str, str]]:
    """Of what has a limit: its name, the limit, and what was used. The memory of a guest is not in
    the log."""
    limits = account.limits
    for name, peak in (("fuel", account.fuel), ("turn_bytes", account.turn_bytes)):
        if name in limits and peak.actor:
            whose = f" of {peak.actor}" if len(account.actors) > 1 else ""
            number = f"{peak.most:,}" if name == "fuel" else _size(peak.most)
            limit = f"{limits[name]:,}" if name == "fuel" else _size(limits[name])
            yield name, limit, f"at most {number}, in turn {peak.turn}{whose}"
    if "state_max" in limits:
        yield "state_max", _size(limits["state_max"]), f"at most {_size(sizes.state)}"
    if "message_max" in limits:
        ways = ((sizes.sent, "sent"), (sizes.received, "received"))
        most = ", ".join(f"{_size(each)} {way}" for each, way in ways if each)
        yield "message_max", _size(limits["message_max"]), f"at most {most}" if most else "none"


def _size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else size(count)


def _json(account: Account, sizes: Sizes, known: frozenset[str] | None) -> dict[str, Any]:
    return {
        "actor": account.name,
        "instances": sorted(account.actors) if account.actors != {account.name} else [],
        "component": account.component,
        "turns": account.turns,
        "failed": account.failed,
        "changes": account.changes,
        "handlers": [
            {
                "type": grant.type,
                "granted": grant.granted,
                "imported": grant.is_imported(known),
                "calls": grant.counts.by_name,
                "refused": grant.counts.refused,
                "used": grant.usage.facts(),
                "least": grant.least(known),
            }
            for grant in sorted(account.grants.values(), key=lambda each: each.type)
        ],
        "wasi": {"calls": account.wasi.by_name, "refused": account.wasi.refused},
        "limits": dict(account.limits),
        "most": {
            "fuel": asdict(account.fuel),
            "turn_bytes": asdict(account.turn_bytes),
            "state_bytes": sizes.state,
            "message_bytes_sent": sizes.sent,
            "message_bytes_received": sizes.received,
        },
    }
