"""Draw the supervision tree in lines: who is under whom, how it is, how it is supervised. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theater.cli.status import REASON_MIN, STATUS_COLOURS, duration, status
from theater.cli.terminal import BOLD, DIM, Stream
from theater.values import shortened, visible

GAP = "  "
CUT_MIN = 12  # columns; less of a text says nothing

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lines:
    """What the branches are drawn with."""

    tee: str
    corner: str
    bar: str
    space: str


BOXES = Lines("├─ ", "└─ ", "│  ", "   ")
ASCII = Lines("|- ", "`- ", "|  ", "   ")


@dataclass(frozen=True, slots=True)
class Row:
    branch: str  # before the name
    under: str  # the same place in a line below
    node: Node

    @property
    def name(self) -> str:
        return self.branch + visible(str(self.node["path"] or "/"))


def lines_for(stream: Stream) -> Lines:
    """Box characters, if the stream's encoding has them."""
    encoding = getattr(stream.file, "encoding", None) or "ascii"
    try:
        (BOXES.tee + BOXES.corner + BOXES.bar).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BOXES


def rows(nodes: Sequence[Node], lines: Lines) -> list[Row]:
    """`nodes` as root lists them: each supervisor, and each actor, before what is under it."""
    below: dict[str | None, list[Node]] = {}
    for node in nodes:
        below.setdefault(node["supervisor"], []).append(node)
    return list(_walk(below, None, "", lines))


def _walk(
    below: Mapping[str | None, list[Node]], supervisor: str | None, indent: str, lines: Lines
) -> Iterator[Row]:
    children = below.get(supervisor, [])
    for node in children:
        last = node is children[-1]
        if supervisor is None:
            branch, inner = "", ""
        else:
            branch = indent + (lines.corner if last else lines.tee)
            inner = indent + (lines.space if last else lines.bar)
        has_children = bool(below.get(node["path"]))
        yield Row(branch, inner + (lines.bar if has_children else lines.space), node)
        yield from _walk(below, node["path"], inner, lines)


def draw(nodes: Sequence[Node], stream: Stream) -> list[str]:
    """The whole tree. No line is wider than the terminal but for names and statuses that are:
    they are never cut."""
    width = stream.width()
    found = rows(nodes, lines_for(stream))
    # A longer name pushes only its own line to the right.
    limit = max(map(_name_length, found), default=0) if width is None else max(24, width - 50)
    names = max((len(row.name) for row in found if len(row.name) <= limit), default=0)
    statuses = max((len(_status(row.node)) for row in found), default=0)
    details = [_detail(row.node) for row in found]
    used = names + statuses + 2 * len(GAP) + max(map(len, details), default=0)
    beside = width is None or width - used - len(GAP) >= REASON_MIN
    shown = []
    for row, detail in zip(found, details, strict=True):
        text, head = _line(row, names, statuses, stream)
        if width is not None:
            detail = shortened(detail, width - head) if width - head >= CUT_MIN else ""
        space = " " * max(0, used - head - len(detail)) + GAP
        room = None if width is None else width - head - len(detail) - len(space)
        reason = visible(row.node["reason"] or "")
        if not reason:
            shown.append((text + detail).rstrip())
        elif beside and (room is None or room >= CUT_MIN):
            shown.append(text + detail + space + stream.style(shortened(reason, room), DIM))
        else:
            assert width is not None
            under = f"{row.under}last ended: "
            cut = shortened(reason, max(width - len(under), CUT_MIN))
            shown += [(text + detail).rstrip(), stream.style(under + cut, DIM)]
    return shown


def _name_length(row: Row) -> int:
    return len(row.name)


def _line(row: Row, names: int, statuses: int, stream: Stream) -> tuple[str, int]:
    """The branch, the name and the status, with the space after them; how wide that is."""
    plain, name = _status(row.node), visible(str(row.node["path"] or "/"))
    long = len(row.name) > names
    space = GAP if long else " " * (names - len(row.name)) + GAP
    pad = GAP if long else " " * (statuses - len(plain)) + GAP
    wide = len(row.name) + len(space) + len(plain) + len(pad)
    colour = STATUS_COLOURS.get(str(row.node["status"]))
    told = stream.style(plain, colour) if colour else plain
    if row.node["type"] == "supervisor":
        name = stream.style(name, BOLD)
    return f"{stream.style(row.branch, DIM)}{name}{space}{told}{pad}", wide


def _status(node: Node) -> str:
    """`running 3m`, `restarting in 12s`: with how long it is or will be so."""
    told = status(node)
    return told if node.get("retry_in_s") is not None else f"{told} {duration(node['age_s'])}"


def _detail(node: Node) -> str:
    kind = str(node["restart_type"])
    significant = ", significant" if node["significant"] else ""
    if node["type"] == "actor":
        number = f"#{node['incarnation']} " if node["incarnation"] else ""
        spawns = f", {_window(node)}" if "strategy" in node else ""
        return f"{number}{kind}{significant}{spawns}"
    parts = [_window(node)]
    if node["auto_shutdown"] != "never":
        parts.append(node["auto_shutdown"])
    if kind != "permanent":
        parts.append(kind)
    return ", ".join(parts) + significant


def _window(node: Node) -> str:
    """Of how many restarts how many are used; an actor's, of what it has spawned."""
    used = max(0, node["intensity"] - node["restarts_left"])
    return f"{node['strategy']} {used}/{node['intensity']} in {node['period_s']:g} s"
