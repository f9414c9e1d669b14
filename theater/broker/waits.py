"""Decide what is answered to who waits for the end of one that it has had spawned. Pure.

Such a birth is an ask that stays open when its child runs. A process of the child's that crashes is
not its end, if its supervisor starts another; nor is a stop with its group, its parent or the whole
system, after which it comes back. Its end is one of these, and the answer is committed with it:

| the child                                       | the answer                            |
|-------------------------------------------------|---------------------------------------|
| has shut down, also in its init                 | ok, with what it gave `shutdown`      |
| has crashed, or did not start, and is not       | err `failed: ...`                     |
| started again                                   |                                       |
| was stopped, and not with others                | err `stopped: ...`                    |
| is gone for good                                | err `no-actor: ...`                   |

While its parent waits it is told of the child by the answer alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theater.addresses import parent as above
from theater.broker.actors import Actor, Ask, Chain
from theater.calls import BORN, SUPERVISOR, WAITS

if TYPE_CHECKING:
    from theater.broker.turns import Turns


def timeout_s(function: str, arguments: list[Any]) -> float | None:
    """For how long such an ask is waited for; None: without an end, or it is another."""
    if function != WAITS or arguments[3] is None:
        return None
    return float(arguments[3]) / 1000


def overdue(ask: Ask) -> str:
    return (
        f"timeout: {ask.callee or 'what was to be born'} has not ended within {ask.timeout_s:g} s"
    )


def birth_of(turns: Turns, child: Actor) -> Ask | None:
    """The ask that it was born of, if that has no answer yet."""
    parent = turns.actors.get(above(child.name))
    current = parent.current if parent is not None else None
    ask = current.ask if current is not None else None
    if current is None or ask is None or ask.interface != SUPERVISOR or ask.function not in BORN:
        return None
    return ask if (current.turn, ask.index) == child.birth else None


def born_of(turns: Turns, parent: Actor, asked: tuple[int, int]) -> str | None:
    """The child that was born of this ask and is there."""
    there = (turns.actors[each] for each in parent.offspring)
    return next((each.name for each in there if each.birth == asked), None)


# How it ends


def ended(turns: Turns, child: Actor, kind: str, by_others: bool, now_s: float) -> None:
    """A process of it has ended, which is recorded in this transaction."""
    if kind == "normal":
        _answer(turns, child, {"ok": child.result}, now_s)
    elif by_others:
        _answer(turns, child, _stopped(child), now_s)


def settled(
    turns: Turns, child: Actor, phase: str, reason: str, is_over: bool, now_s: float
) -> None:
    """Its supervisor has decided what becomes of it. `is_over`: nothing more, as it is now."""
    if phase == "failed":
        _answer(turns, child, {"err": f"failed: {child.name}: {reason}"}, now_s)
    elif phase == "stopped" and is_over:
        _answer(turns, child, _stopped(child), now_s)


def removed(turns: Turns, chain: Chain, reason: str, now_s: float) -> None:
    """It is gone for good, which is recorded in this transaction."""
    if isinstance(chain, Actor):
        _answer(turns, chain, gone(chain.name, reason), now_s)


def gone(child: str, reason: str) -> dict[str, Any]:
    return {"err": f"no-actor: {child} has been removed: {reason}"}


def _stopped(child: Actor) -> dict[str, Any]:
    return {"err": f"stopped: {child.name} was stopped"}


def _answer(turns: Turns, child: Actor, value: dict[str, Any], now_s: float) -> None:
    """To its parent, if that waits for its end."""
    ask = birth_of(turns, child)
    if ask is not None and ask.function == WAITS:
        turns.answer(turns.actors[above(child.name)], value, now_s)
