"""Hold what the log says of an actor or a supervisor to its lifecycle events. Pure."""

from __future__ import annotations

from typing import Any

from theater import preopens, requests
from theater.capabilities.custom import effects
from theater.events import FACTS, EventType
from theater.fsck.ahead import Ahead
from theater.fsck.chain import LIFECYCLE, THEATER, Crossing
from theater.fsck.findings import Reports, shown
from theater.fsck.rows import ActorRow, IncarnationRow
from theater.stores import HANDLER, Access

ACTOR, SUPERVISOR = "actor", "supervisor"
GONE = "removed"
PHASES = frozenset(
    {"starting", "running", "unresponsive", "restarting", "stopping", "stopped", "failed", GONE}
)
END = (1 << 64,)  # a key after every other


class Life:
    """Whether it is there, as what, and which of its incarnations lives.

    `old_until`: the seq before which a theater of version 1 wrote, which did not chain that an
    actor was removed and returned.
    """

    def __init__(
        self,
        actor: str,
        incarnations: Ahead[IncarnationRow],
        old_until: float,
        reports: Reports,
    ) -> None:
        self._actor = actor
        self._rows = incarnations
        self._old_until = old_until
        self._reports = reports
        self.sure = True  # nothing of its life is missing
        self.present = False
        self.role = ""
        self.component = ""
        self.initial_state: bytes | None = None
        self.stores: Access | None = None  # what it is granted of them
        self.resumed = False  # it began as if `init` had returned its initial state
        self.may_write = False  # files: it is granted a directory that it may change
        self.may_exchange = False  # by HTTP
        # Of handlers that authors have written: (interface, function) -> its effect.
        self.own: dict[tuple[str, str], str] = {}
        self.incarnation = 0
        self.alive = False
        self._ready: list[float] = []  # when it was told so
        self._exited: float | None = None
        self._exit_reason: str | None = None
        self._created = self._removed = 0.0
        self._row: IncarnationRow | None = None
        self._before_seq = self._last_seq = 0
        self._length = 0

    def _wrong(self, at: Crossing | None, found: str, expected: str, **where: str | int) -> None:
        if at is not None:
            where = {**where, "position": at.position, "seq": at.seq}
        self._reports.wrong(found, expected, actor=self._actor, **where)

    def pass_by(self, at: Crossing) -> None:
        """Any event: it has to be of the incarnation that was started last."""
        if not at.follows:
            self.sure = False
        of_another = at.type != EventType.STARTED and at.incarnation != self.incarnation
        if of_another and self.sure and at.sound:
            self._wrong(
                at, f"incarnation {at.incarnation}", f"{self.incarnation}, the last started"
            )
        if at.position == 0 and at.sound and at.type != EventType.CREATED:
            self._wrong(at, f"the chain begins with {shown(at.type)}", "created")
            self.present = True
        elif self._is_gone() and at.sound and at.position and at.type != EventType.RETURNED:
            self._wrong(at, f"{shown(at.type)} of one that was removed", "returned, or nothing")
            self.present = True
        self._before_seq, self._last_seq = self._last_seq, at.seq
        self._length = at.position + 1

    def _is_gone(self) -> bool:
        return self.sure and not self.present

    def take(self, at: Crossing) -> None:
        """A lifecycle event; `pass_by` has seen it."""
        if not at.sound:
            self.sure = False
            self._doubtful(at)
        elif at.type not in LIFECYCLE:
            self._wrong(at, f"{shown(at.type)} in turn 0", "an event of its life")
        else:
            self._sound(at)

    def _sound(self, at: Crossing) -> None:
        if at.index != at.position:
            self._wrong(at, f"index {at.index}", f"{at.position}, its position")
        if at.name != (THEATER, at.type):
            self._wrong(at, f"function {shown(at.function)}", f"{THEATER}.{at.type}")
        if not isinstance(at.payload, dict):
            self._wrong(at, f"payload {shown(at.payload)}", "a map")
            self.sure = False
            return
        if at.type in FACTS:
            self._facts(at)
        match at.type:
            case EventType.REINITIALISED:
                if self.role == SUPERVISOR and self.sure:
                    self._wrong(at, "a supervisor begins anew", "an actor")
            case EventType.STARTED:
                self._started(at)
            case EventType.READY | EventType.EXITED:
                self._told(at)
            case EventType.REMOVED:
                self._gone(at)

    def _doubtful(self, at: Crossing) -> None:
        """Only its columns are known."""
        match at.type:
            case EventType.STARTED:
                self._next_incarnation(at)
            case EventType.READY:
                self._ready.append(at.time)
            case EventType.EXITED:
                self.alive, self._exited, self._exit_reason = False, at.time, None
            case EventType.REMOVED:
                self._gone(at)
            case EventType.CREATED | EventType.RETURNED:
                self.present = True

    # What it is

    def _facts(self, at: Crossing) -> None:
        facts: dict[str, Any] = at.payload
        if at.type == EventType.CREATED and at.position:
            self._wrong(at, "created", "only the first event")
        returned = at.type == EventType.RETURNED
        if returned and self.present and self.sure and self._before_seq >= self._old_until:
            self._wrong(at, "returned, and it had not been removed", "removed before")
        if at.position == 0:
            self._created = at.time
        if returned or at.type == EventType.CREATED:
            self.present = True
            self.role = SUPERVISOR if facts.get("kind") == SUPERVISOR else ACTOR
        component = facts.get("component", "")
        if at.type == EventType.COMPONENT_CHANGED:
            component = facts.get("to")
            if facts.get("from") != self.component and self.sure:
                self._wrong(
                    at, f"component changed from {shown(facts.get('from'))}", shown(self.component)
                )
        if not isinstance(component, str):
            self._wrong(at, f"component {shown(component)}", "a hash in hex")
            self.sure = False
            return
        self.component = component
        if "grants" in facts:
            self.may_write = _grants_write(facts["grants"])
            self.may_exchange = _is_granted(facts["grants"], requests.HANDLER)
            self.stores = _stores(self._actor, facts["grants"])
            self.own = effects(facts["grants"])
        self._spawned(at, facts)
        if self.role == ACTOR and "initial_state" in facts:
            state = facts["initial_state"]
            self.initial_state = state if isinstance(state, bytes) else None
            if state is not None and not isinstance(state, bytes):
                self._wrong(at, f"initial state {shown(state)}", "a hash or none")
                self.sure = False

    def _spawned(self, at: Crossing, facts: dict[str, Any]) -> None:
        """Of one that another actor has spawned."""
        ask, resumed = facts.get("spawned"), facts.get("resumed", False)
        is_ask = isinstance(ask, list) and len(ask) == 2 and all(type(each) is int for each in ask)
        if ask is not None and not (is_ask and self.role == ACTOR):
            self._wrong(at, f"spawned by {shown(ask)}", "a turn and an index, of an actor")
        if type(resumed) is not bool or (resumed and ask is None):
            self._wrong(at, f"resumed is {shown(resumed)}", "true or nothing, if it was spawned")
        if at.type == EventType.CREATED:
            self.resumed = resumed is True

    def _gone(self, at: Crossing) -> None:
        self.present = False
        self._removed = at.time

    # Incarnations

    def _started(self, at: Crossing) -> None:
        if at.incarnation <= self.incarnation:
            self._wrong(
                at,
                f"incarnation {at.incarnation} is started after {self.incarnation}",
                "a larger number",
            )
        if self.role == SUPERVISOR and self.sure:
            self._wrong(at, "a supervisor is started as a process", "of an actor")
        component = at.payload.get("component")
        if component != self.component and self.sure:
            self._wrong(at, f"started with component {shown(component)}", shown(self.component))
        self._next_incarnation(at)

    def _next_incarnation(self, at: Crossing) -> None:
        self._end_of_incarnation()
        self.incarnation = at.incarnation
        self.alive, self._ready, self._exited, self._exit_reason = True, [], None, None
        self._extra(self._rows.before((at.incarnation,)))
        if self._rows.at((at.incarnation,)):
            self._row = self._rows.take()
        else:
            self._row = None
            self._wrong(at, "no row in incarnations", "one for each start")

    def _extra(self, rows: Any) -> None:
        for (number,), _ in rows:
            if self.sure:
                self._wrong(None, "a row, and its chain has no start", "both", incarnation=number)

    def _told(self, at: Crossing) -> None:
        if not self.alive:
            if self.sure:
                found = f"{at.type} of an incarnation that does not live"
                self._wrong(at, found, "between its start and its end")
            return
        if at.type == EventType.READY:
            self._ready.append(at.time)
            return
        reason = at.payload.get("reason")
        self.alive, self._exited = False, at.time
        self._exit_reason = reason if isinstance(reason, str) else None

    def _end_of_incarnation(self) -> None:
        row, self._row = self._row, None
        if row is None or not self.sure:
            return
        number = row.incarnation
        ended = [] if self._exited is None else [self._exited]
        for name, value, event, times in (
            ("ready_at", row.ready_at, "ready", self._ready),
            ("ended_at", row.ended_at, "exited", ended),
        ):
            if value in times or (value is None and not times):
                continue
            known = f"{times[-1]}, as {event} is chained" if times else f"none, as no {event} is"
            self._wrong(None, f"{name} is {shown(value)}", known, incarnation=number)
        expected_reason = self._exit_reason if self._exited is not None else None
        if row.reason != expected_reason:
            self._wrong(
                None, f"reason is {shown(row.reason)}", shown(expected_reason), incarnation=number
            )

    # The end

    def end(self, row: ActorRow, initialised: bool | None) -> None:
        """Compare with its row of the same moment. `initialised`: an init is done; None: unsure."""
        self._end_of_incarnation()
        self._extra(self._rows.before(END))
        if not self._length:
            self._wrong(None, "no event in its chain", "created, the first one")
            return
        if initialised is not None and row.initialised != initialised:
            self._wrong(None, f"initialised is {row.initialised}", str(int(initialised)))
        if not self.sure:
            return
        if row.role != self.role:
            self._wrong(None, f"role is {shown(row.role)}", shown(self.role))
        if row.component != self.component:
            self._wrong(None, f"component is {shown(row.component)}", shown(self.component))
        gone = not self.present
        if (row.removed_at is not None) != gone:
            if gone or self._last_seq >= self._old_until:
                expected = "a time, as removed is chained" if gone else "none: it is not removed"
                self._wrong(None, f"removed_at is {shown(row.removed_at)}", expected)
        else:
            self._ends(row, gone)

    def _ends(self, row: ActorRow, gone: bool) -> None:
        if row.created_at != self._created:
            self._wrong(None, f"created_at is {row.created_at}", f"{self._created}, as is chained")
        if gone and row.removed_at != self._removed:
            self._wrong(None, f"removed_at is {row.removed_at}", f"{self._removed}, as is chained")
        if (row.phase == GONE) != gone:
            self._wrong(None, f"phase is {shown(row.phase)}", GONE if gone else f"not {GONE}")
        elif row.phase not in (PHASES if self.role == ACTOR or gone else {""}):
            self._wrong(None, f"phase is {shown(row.phase)}", "one that there is")


def _is_granted(grants: Any, handler: str) -> bool:
    return isinstance(grants, dict) and handler in grants


def _grants_write(grants: Any) -> bool:
    try:
        return preopens.grants_write(grants.get(preopens.HANDLER, {}))
    except (AttributeError, KeyError, TypeError):
        return False


def _stores(actor: str, grants: Any) -> Access | None:
    settings = grants.get(HANDLER) if isinstance(grants, dict) else None
    try:
        return None if settings is None else Access.of(actor, settings)
    except (TypeError, AttributeError):
        return Access.of(actor, {})  # settings that no manifest has
