"""What one step of the policy says: actions, phases, timers, answers. It decides nothing."""

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
    Removed,
    Reply,
    WakeAt,
)
from theater.supervisor.tree import Batch, Child, Node, State, Task, below


class Ledger:
    """One step: the state, the time, the actions so far, and the supervisors to look at."""

    def __init__(self, state: State, now_s: float) -> None:
        self.state = state
        self.now_s = now_s
        self.out: list[Action] = []
        self.last: Ended | None = None  # said after everything else
        self.agenda: deque[Node] = deque()

    def reply(self, call: int | None, ok: bool, text: str, code: str = "") -> None:
        if call is None:
            return
        if call < 0:
            self._batched(call, ok, text, code)
        else:
            self.out.append(Reply(call, ok, text, code or ("ok" if ok else "failed")))

    def answer(self, task: Task, ok: bool, text: str, code: str = "") -> None:
        call, task.call = task.call, None
        self.reply(call, ok, text, code)

    def own_call(self, batch: Batch, path: str, fine: str = "") -> int:
        """A number for a call about `path` that belongs to a batch. `fine`: the code of a refusal
        that does no harm."""
        self.state.own_calls -= 1
        self.state.batches[self.state.own_calls] = (batch, path, fine)
        batch.open += 1
        return self.state.own_calls

    def _batched(self, call: int, ok: bool, text: str, code: str) -> None:
        batch, path, fine = self.state.batches.pop(call)
        batch.open -= 1
        if ok and batch.made is not None:
            batch.made.append(path)
        if not ok and (not code or code != fine):
            named = text.startswith((f"{path} ", f"{path}: "))
            failure = text if named else f"{path}: {text}"
            if batch.failures[-1:] != [failure]:  # neither stopped nor deleted
                batch.failures.append(failure)
            batch.code = batch.code or code
        if batch.open == 0:
            self._close(batch)

    def made(self, batch: Batch) -> None:
        """All calls of a batch that was opened with `open=1` have been made."""
        batch.open -= 1
        if batch.open == 0:
            self._close(batch)

    def _close(self, batch: Batch) -> None:
        if batch.failures:
            made = [f"{batch.done}: {', '.join(batch.made)}"] if batch.made else []
            self.reply(batch.call, False, "; ".join(batch.failures + made), batch.code)
        else:
            self.reply(batch.call, True, batch.done)

    def decided(self, subject: str, decision: Decision, **detail: Any) -> None:
        self.out.append(Decided(subject, decision, detail))

    def phase(self, child: Child, phase: Phase) -> None:
        if child.phase is not phase and child.keeper is None:
            child.phase = phase
            child.since_s = self.now_s
            supervisor = child.inner is not None
            self.out.append(PhaseChanged(child.path, phase, child.reason, supervisor))

    def settle(self, child: Child, phase: Phase) -> None:
        """It is down for now, with all under it; what has settled before keeps its phase. A brood
        that goes on while its actor is down is not meant."""
        under = () if child.has_brood else below(child)
        for each in (child, *under):
            if each.phase not in (Phase.STOPPED, Phase.FAILED):
                self.phase(each, phase)

    def number(self, child: Child) -> None:
        """A new incarnation, under a number that this path has never had."""
        last = self.state.incarnations.get(child.path, 0)
        child.incarnation = self.state.incarnations[child.path] = max(last, child.incarnation) + 1

    def enlist(self, child: Child) -> None:
        """It can be found by its path from now on, with all under it."""
        for each in (child, *below(child)):
            self.state.children[each.path] = each
            each.reason = ""
            if each.inner is None:
                each.incarnation = self.state.incarnations.get(each.path, 0)

    def forget(self, child: Child, reason: str) -> None:
        """Take a child that is down off the tree, with all under it."""
        node = child.parent
        assert node is not None and not child.busy
        for each in reversed([child, *below(child)]):
            if self.state.children.get(each.path) is each:
                del self.state.children[each.path]
                self.out.append(Removed(each.path, reason))
                # If it comes back, it begins anew, and without what was added under it.
                each.phase = Phase.STOPPED
                if each.node:
                    each.node.children.clear()
                if each.brood:
                    each.brood.initial.clear()
        if node.children.get(child.path) is child:
            del node.children[child.path]
        if node.owner.keeper and child in node.initial:
            node.initial.remove(child)
        child.hidden = True
        child.timer = 0

    def set_timer(self, child: Child, after_s: float) -> None:
        self.state.timer += 1
        child.timer = self.state.timer
        child.due_s = self.now_s + after_s
        heapq.heappush(self.state.timers, (child.due_s, child.timer, child))

    def wake(self, again: bool) -> None:
        """Say when to be woken, if that has changed or if the last time has been used up."""
        state, timers = self.state, self.state.timers
        while timers and timers[0][2].timer != timers[0][1]:
            heapq.heappop(timers)
        wake_s = timers[0][0] if timers else None
        if again or wake_s != state.wake_s:
            state.wake_s = wake_s
            self.out.append(WakeAt(wake_s))
