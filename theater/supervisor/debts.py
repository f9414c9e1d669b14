"""What a helper of root's has been asked and has not answered. Pure: time comes in."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Debts:
    """A helper that owes an answer for longer than `late_s` hangs; there is no heartbeat."""

    late_s: float
    _since: dict[Hashable, float] = field(default_factory=dict)  # the oldest first

    def owe(self, what: Hashable, now_s: float) -> None:
        self._since.setdefault(what, now_s)

    def paid(self, what: Hashable) -> None:
        self._since.pop(what, None)

    def restart(self, now_s: float) -> None:
        """It could not answer until now: its time begins anew."""
        self._since = dict.fromkeys(self._since, now_s)

    def forgive(self) -> None:
        self._since.clear()

    @property
    def due_s(self) -> float | None:
        """By when it has to answer; None: it owes nothing."""
        oldest = next(iter(self._since.values()), None)
        return None if oldest is None else oldest + self.late_s

    def is_late(self, now_s: float) -> bool:
        return self.due_s is not None and now_s >= self.due_s
