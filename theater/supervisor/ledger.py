"""What one step of the policy says: actions, phases, timers. It decides nothing."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any

from theater.supervisor.orders import (
    Action,
    Decided,
    Decision,
    Ended,
    Phase,
    PhaseChanged,
    Reply,
    WakeAt,
)
from theater.supervisor.tree import Child, Node, State, Task, below


class Ledger:
    """One step: the state, the time, the actions so far, and the supervisors to look at."""

    def __init__(self, state: State, now_s: float) -> None:
        self.state = state
        self.now_s = now_s
        self.out: list[Action] = []
        self.last: Ended | None = None  # said after everything else
        self.agenda: deque[Node] = deque()

    def reply(self, call: int | None, ok: bool, text: str) -> None:
        if call is not None:
            self.out.append(Reply(call, ok, text))

    def answer(self, task: Task, ok: bool, text: str) -> None:
        call, task.call = task.call, None
        self.reply(call, ok, text)

    def decided(self, subject: str, decision: Decision, **detail: Any) -> None:
        self.out.append(Decided(subject, decision, detail))

    def phase(self, child: Child, phase: Phase) -> None:
        if child.phase is not phase:
            child.phase = phase
            supervisor = child.inner is not None
            self.out.append(PhaseChanged(child.path, phase, child.reason, supervisor))

    def settle(self, child: Child, phase: Phase) -> None:
        """It is down for now, with all under it; what has settled before keeps its phase."""
        for each in (child, *below(child)):
            if each.phase not in (Phase.STOPPED, Phase.FAILED):
                self.phase(each, phase)

    def set_timer(self, child: Child, after_s: float) -> None:
        self.state.timer += 1
        child.timer = self.state.timer
        heapq.heappush(self.state.timers, (self.now_s + after_s, child.timer, child))

    def wake(self, again: bool) -> None:
        """Say when to be woken, if that has changed or if the last time has been used up."""
        state, timers = self.state, self.state.timers
        while timers and timers[0][2].timer != timers[0][1]:
            heapq.heappop(timers)
        wake_s = timers[0][0] if timers else None
        if again or wake_s != state.wake_s:
            state.wake_s = wake_s
            self.out.append(WakeAt(wake_s))
