"""Decide what the supervisors do next. Pure: no clock, no pid, no socket.

`step` takes one event and gives the actions that follow from it; `initial` makes the state and
`rows` shows it. The rules are OTP's; `machine` says where we do not wait as long as OTP does.
"""

from __future__ import annotations

from theater.supervisor.machine import Machine
from theater.supervisor.orders import (
    Action,
    AddChild,
    AddChildren,
    AskStop,
    Call,
    Decided,
    Decision,
    DeleteChild,
    Ended,
    Event,
    Exited,
    ExitKind,
    ForkLost,
    Kill,
    KillAll,
    Phase,
    PhaseChanged,
    Ready,
    Recycle,
    Reload,
    Removed,
    Reply,
    RestartChild,
    Scale,
    Shutdown,
    Spawn,
    Start,
    StartChild,
    StartInstance,
    StopChild,
    Tick,
    Unspawnable,
    WakeAt,
)
from theater.supervisor.tree import State, initial
from theater.supervisor.view import ActorRow, SupervisorRow, rows, supervisor_rows

__all__ = [
    "Action",
    "ActorRow",
    "AddChild",
    "AddChildren",
    "AskStop",
    "Call",
    "Decided",
    "Decision",
    "DeleteChild",
    "Ended",
    "Event",
    "ExitKind",
    "Exited",
    "ForkLost",
    "Kill",
    "KillAll",
    "Phase",
    "PhaseChanged",
    "Ready",
    "Recycle",
    "Reload",
    "Removed",
    "Reply",
    "RestartChild",
    "Scale",
    "Shutdown",
    "Spawn",
    "Start",
    "StartChild",
    "StartInstance",
    "State",
    "StopChild",
    "SupervisorRow",
    "Tick",
    "Unspawnable",
    "WakeAt",
    "initial",
    "rows",
    "step",
    "supervisor_rows",
]


def step(state: State, event: Event, now_s: float) -> tuple[State, list[Action]]:
    """Take one event at `now_s` (monotonic seconds). Do the actions in their order.

    The state is changed in place and returned. A report about an older incarnation changes
    nothing, and neither does anything after Ended, except that calls are still answered.
    """
    return state, Machine(state, now_s).take(event)
