"""One group commit: the rows that several decisions want written, in the order of the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]


@dataclass(slots=True)
class Batch:
    """Rows by table, as `log.py` writes them. Filled by decisions, written at once, then empty."""

    actors: list[Row] = field(default_factory=list)
    phases: list[Row] = field(default_factory=list)  # (phase, reason, actor)
    initialised: list[Row] = field(default_factory=list)  # (0 or 1, actor)
    components: list[Row] = field(default_factory=list)  # (component, actor)
    removed: list[Row] = field(default_factory=list)  # (at, actor)
    returned: list[Row] = field(default_factory=list)  # (role, component, actor)
    moved: set[str] = field(default_factory=set)  # who has come or gone; no rows of its own
    incarnations: list[Row] = field(default_factory=list)
    incarnation_pids: list[Row] = field(default_factory=list)  # (pid, actor, incarnation)
    incarnation_ready: list[Row] = field(default_factory=list)  # (at, actor, incarnation)
    incarnation_ended: list[Row] = field(default_factory=list)  # (at, reason, actor, incarnation)
    turns: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    consumed: list[Row] = field(default_factory=list)  # (status, turn, message)
    client_answers: list[Row] = field(default_factory=list)  # (answer, message)
    channels: list[Row] = field(default_factory=list)
    channels_closed: list[Row] = field(default_factory=list)  # (by, reason, untold, at, channel)
    channels_told: list[Row] = field(default_factory=list)  # (channel,)
    asks: list[Row] = field(default_factory=list)
    ask_status: list[Row] = field(default_factory=list)  # (status, actor, turn, index)
    senders: list[Row] = field(default_factory=list)
    blobs: list[Row] = field(default_factory=list)
    kept_states: list[Row] = field(default_factory=list)  # (actor,): its last state, to blobs
    # By actor, (hash, bytes) of the state that is its last one and may go again; None: none.
    last_states: dict[int, tuple[bytes, bytes] | None] = field(default_factory=dict)
    evidence: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)  # (status, again, client, at, dead letter)
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] = self.counters.get(name, 0) + by

    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__)
