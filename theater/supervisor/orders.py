"""What the policy is told (events) and what it wants done (actions). Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from theater.spec import ChildSpec, SupervisorSpec


class ExitKind(StrEnum):
    """How a process ended. What its supervisor does about it depends on nothing else."""

    NORMAL = "normal"  # by itself, status 0
    SHUTDOWN = "shutdown"  # it obeyed a stop request, whoever made it
    CRASH = "crash"  # any other status, any signal


class Phase(StrEnum):
    """What is so with a child, as `ps` shows it and as the broker treats its mailbox."""

    STARTING = "starting"  # forked and not ready yet, or waiting for its turn to be
    RUNNING = "running"
    UNRESPONSIVE = "unresponsive"  # never said by the policy: root knows what a worker owes
    RESTARTING = "restarting"  # no process, and its supervisor is about to make one
    STOPPING = "stopping"
    STOPPED = "stopped"  # ended by itself as it should, or was stopped
    FAILED = "failed"  # ended as it should not, and nobody starts it again


class Decision(StrEnum):
    """What was decided; the word of a `Decided` event."""

    RESTART = "restart"  # a child died: start it (and its group) again
    RETRY = "retry"  # a restart failed: try once more; counts like a restart
    NOT_RESTARTED = "not-restarted"  # a child died, and its restart type says leave it
    START_FAILED = "start-failed"  # one attempt to start a child failed
    IGNORED = "ignored"  # a child said before ready that there is nothing to run
    GAVE_UP = "gave-up"  # a supervisor reached its restart intensity
    AUTO_SHUTDOWN = "auto-shutdown"  # a supervisor goes down: its significant children have ended
    START_ABORTED = "start-aborted"  # a supervisor did not come up: one of its children failed
    RECYCLE = "recycle"  # a child has run as many turns as an incarnation may: a planned restart
    STOPPED = "stopped"  # a child was stopped by its supervisor
    KILL = "kill"  # a child did not do in time what it was asked
    OPERATOR = "operator"  # somebody asked for something, and it is being done
    RELOADED = "reloaded"  # flags or a specification changed in place
    UP = "up"  # the whole tree is started: a run begins
    SHUTDOWN = "shutdown"  # the whole tree goes down because somebody said so


# Events ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Start the whole tree. Taken once."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has said that it is ready."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The worker process is gone and has been reaped. Before Ready it is a failed start."""

    child: str
    incarnation: int
    kind: ExitKind
    reason: str
    ignored: bool = False  # OTP's `ignore`: it said before Ready that there is nothing to run


@dataclass(frozen=True, slots=True)
class Unspawnable:
    """There is no process and there will not be one: the fork failed. A failed start."""

    child: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class ForkLost:
    """The zygote died with this fork unanswered. Nobody's fault: asked again, not counted."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Recycle:
    """This incarnation has ended all the turns that one may, and is given no more: see
    `recycle_turns`. Said again by a broker that cannot know whether it was said."""

    child: str
    incarnation: int
    turns: int  # that it has ended


@dataclass(frozen=True, slots=True)
class StopChild:
    """OTP's terminate_child, for an actor or a supervisor. `call` names the Reply.

    `strict`, here and below: a temporary child that has ended is `not_found`, as in OTP, though
    we still show it.
    """

    path: str
    call: int | None = None
    strict: bool = False
    by_parent: bool = False  # the actor that has spawned it asks


@dataclass(frozen=True, slots=True)
class StartChild:
    """OTP's restart_child; unless strict, also start_child for a temporary one that has ended."""

    path: str
    call: int | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Stop it if it runs, then start it.

    `init`: what is started begins with `init` and its initial state, once.
    """

    path: str
    call: int | None = None
    init: bool = False
    by_parent: bool = False


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """OTP's delete_child: forget a child that does not run."""

    path: str
    call: int | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class AddChild:
    """OTP's start_child: a new child, at the end of the order; forgotten if it fails to start."""

    parent: str  # path of a supervisor; "" is the root supervisor
    spec: ChildSpec
    call: int | None = None


@dataclass(frozen=True, slots=True)
class AddChildren:
    """Several AddChild, one after the other; one answer for all of them."""

    parent: str
    specs: tuple[ChildSpec, ...]
    call: int | None = None


@dataclass(frozen=True, slots=True)
class StartInstance:
    """OTP's start_child for a pool: one more instance, under a number never used before."""

    pool: str
    args: tuple[str, ...] = ()  # after the template's own
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Let a pool have `count` instances: start the lowest free numbers, or stop the youngest."""

    pool: str
    count: int
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Reload:
    """The manifest has changed: see `reload`."""

    spec: SupervisorSpec
    prune: bool = False  # stop and delete the children that are no longer in it
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Take the whole tree down: reverse order, one after the other."""


@dataclass(frozen=True, slots=True)
class KillAll:
    """Kill every process now and start none."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time given in the last WakeAt has come. Early or extra ones do no harm."""


Call = StopChild | StartChild | RestartChild | DeleteChild | AddChild | StartInstance | Scale
Event = (
    Start
    | Ready
    | Exited
    | Unspawnable
    | ForkLost
    | Recycle
    | Call
    | AddChildren
    | Reload
    | Shutdown
    | KillAll
    | Tick
)


# Actions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Fork a worker. Answered by Ready or Exited, or by Unspawnable or ForkLost.

    `init`: somebody has asked that it begin with `init`. What its `on_restart` says, it says.
    """

    child: str
    incarnation: int
    init: bool = False


@dataclass(frozen=True, slots=True)
class AskStop:
    """Ask a worker to stop. It may still be starting, its fork not yet reported."""

    child: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL. Said once per incarnation, also for one whose fork is not reported yet."""

    child: str
    incarnation: int
    why: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a Tick at this time, on the clock of `now_s`; None: no need. Replaces the last one."""

    time_s: float | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call; exactly one for each call that had a number."""

    call: int
    ok: bool
    text: str
    code: str = "ok"  # OTP's word: running, restarting, not_found, already_present, ...


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and its grounds, for the log. Comes before the actions that follow from it."""

    subject: str  # path of a child or a supervisor; "" is the root supervisor
    decision: Decision
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """A child is now in this phase. Supervisors are children too."""

    child: str
    phase: Phase
    reason: str  # why it last ended; "" if it never did
    supervisor: bool = False  # the child is a supervisor, the broker need not know


@dataclass(frozen=True, slots=True)
class Removed:
    """A child is gone for good, and what waits for it with it. A later one may have its path."""

    child: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing runs any more and nothing will be started. The last action of a tree."""

    reason: str
    failed: bool  # it was not what the operator wanted


Action = Spawn | AskStop | Kill | WakeAt | Reply | Decided | PhaseChanged | Removed | Ended
