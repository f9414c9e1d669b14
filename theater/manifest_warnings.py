"""What a manifest may say and hardly means: restart limits that never stop anything, or too soon;
addresses that nobody has; patience that a turn has not.

Pure. A warning keeps nothing from running.
"""

from __future__ import annotations

import math

from theater import requests
from theater.errors import Problem
from theater.quoting import did_you_mean, quoted
from theater.spec import (
    ActorSpec,
    Backoff,
    ChildSpec,
    Restart,
    ShutdownKind,
    Strategy,
    SupervisorSpec,
    SystemSpec,
)

NAMED_MAX = 3  # actors that one message names
ADVISED_PERIOD_MAX_S = 24 * 3600.0  # a longer period is no advice
DELAYS_MAX = 1000  # of a backoff, that are added up


def warnings(spec: SystemSpec) -> list[Problem]:
    """One for each thing at each supervisor, parents first; then those about actors."""
    supervisors = [spec.root]
    supervisors += [each for each in spec.root.all_written() if isinstance(each, SupervisorSpec)]
    found = [
        Problem(f"{supervisor.where}.supervisor".lstrip("."), message)
        for supervisor in supervisors
        if supervisor.intensity > 0  # with 0 it is to go down at the first crash, and does
        for message in (_never_reached(supervisor), _reached_by_a_message(supervisor))
        if message
    ]
    return found + _to_nobody(spec.root, supervisors) + _too_patient(spec.root)


def _to_nobody(root: SupervisorSpec, supervisors: list[SupervisorSpec]) -> list[Problem]:
    """What an actor may send to, and is not there. A pattern may be meant for others to come, and
    a pool has instances to come."""
    actors = {actor.path for actor in root.actors()}
    pools = tuple(f"{each.path}/".lstrip("/") for each in supervisors if each.template is not None)
    found = []
    for actor in root.all_written():
        if isinstance(actor, SupervisorSpec):
            continue
        for number, handler in enumerate(actor.handlers):
            if handler.type != "message-server":
                continue
            for index, to in enumerate(handler.settings.get("send_to", ())):
                if "*" in to or to in actors or to.startswith(pools):
                    continue
                where = f"{actor.where}.handler[{number}].send_to[{index}]".lstrip(".")
                found.append(Problem(where, _nobody(to, actors, supervisors)))
    return found


def _too_patient(root: SupervisorSpec) -> list[Problem]:
    """Requests by HTTP that are waited for longer than a turn may take."""
    return [
        Problem(
            f"{actor.where}.handler[{number}].timeout".lstrip("."),
            f"{_text(timeout_s)} s are more than a turn may take (turn_timeout,"
            f" {_text(actor.limits.turn_timeout_s)} s): a request ends before that",
        )
        for actor in root.all_written()
        if isinstance(actor, ActorSpec)
        for number, handler in enumerate(actor.handlers)
        if handler.type == requests.HANDLER
        for timeout_s in [requests.read(handler.settings).timeout_s]
        if timeout_s > actor.limits.turn_timeout_s
    ]


def _nobody(to: str, actors: set[str], supervisors: list[SupervisorSpec]) -> str:
    if any(each.path == to for each in supervisors):
        below = quoted(f"{to}/*")
        return f"{quoted(to)} is a supervisor, and takes no messages; say {below} for its actors"
    hint = did_you_mean(to, actors)
    return f"no actor of this manifest is called {quoted(to)}{hint} it may still be added later"


def _never_reached(supervisor: SupervisorSpec) -> str | None:
    """The trap of group restarts: between two crashes of a child lies the stop of its siblings.

    The restart that is one too many is refused only within `period_s` of the first, and
    `intensity` stops lie between these two.
    """
    stopped = _stopped(supervisor)
    stop_s = sum(map(_stop_s, stopped))
    pace_s = supervisor.period_s / supervisor.intensity
    if stop_s < pace_s:  # as long is too long: the start comes on top
        return None
    restarts = "1 restart" if supervisor.intensity == 1 else f"{supervisor.intensity} restarts"
    limit = f"the limit of {restarts} in {_text(supervisor.period_s)} s"
    outcome = f"a child that always crashes is restarted for ever and {limit} is never reached"
    if endless := next(filter(None, map(_endless, stopped)), None):
        return (
            f'{supervisor.strategy} stops siblings before a restart, and shutdown = "infinity" '
            f"lets {endless.path} take as long as it likes: whenever that is more than period / "
            f"intensity ({_text(pace_s)} s), {outcome}; give {endless.path} a shutdown in seconds"
        )
    advice = "give the children a shorter shutdown"
    period_s = math.ceil(stop_s * supervisor.intensity)
    if period_s <= ADVISED_PERIOD_MAX_S:
        advice += f" or the supervisor a period of more than {period_s} s"
    return (
        f"{supervisor.strategy} stops siblings before a restart, for up to {_text(stop_s)} s, "
        f"and period / intensity is {_text(pace_s)} s: if they are that slow to stop, {outcome}; "
        f"{advice}"
    )


def _stopped(supervisor: SupervisorSpec) -> list[ChildSpec]:
    """The siblings that a restart stops, of the child for which they take longest.

    Temporary ones are not among them: they are stopped once and do not come back.
    """
    children = [child for child in supervisor.written if child.restart is not Restart.TEMPORARY]
    match supervisor.strategy:
        case Strategy.ONE_FOR_ALL:
            return sorted(children, key=_stop_s)[1:]
        case Strategy.REST_FOR_ONE:
            return children[1:]
    return []


def _stop_s(child: ChildSpec) -> float:
    """How long its stop can take, by what it says."""
    if child.shutdown.kind is ShutdownKind.BRUTAL_KILL:
        return 0.0
    limit_s = math.inf
    if child.shutdown.kind is ShutdownKind.TIMEOUT:
        limit_s = child.shutdown.timeout_s
    if isinstance(child, ActorSpec):
        return limit_s
    # A pool stops its instances all at once, so its template counts once.
    return min(limit_s, sum(map(_stop_s, child.written)))


def _endless(child: ChildSpec) -> ActorSpec | None:
    """The first actor that makes the stop of `child` endless."""
    if child.shutdown.kind is not ShutdownKind.INFINITY:
        return None
    if isinstance(child, ActorSpec):
        return child
    return next(filter(None, map(_endless, child.written)), None)


def _reached_by_a_message(supervisor: SupervisorSpec) -> str | None:
    """A message that kills its actor costs a restart each time, until it is set aside."""
    intensity = supervisor.intensity
    actors = [
        child
        for child in supervisor.written
        if isinstance(child, ActorSpec)
        and child.restart is not Restart.TEMPORARY
        and child.limits.max_deliveries > intensity
    ]
    if not actors or _delays_s(supervisor.backoff, intensity) > supervisor.period_s:
        return None
    named = [f"{actor.path}: {actor.limits.max_deliveries}" for actor in actors[:NAMED_MAX]]
    if len(actors) > NAMED_MAX:
        named.append(f"and {len(actors) - NAMED_MAX} more")
    most = max(actor.limits.max_deliveries for actor in actors)
    return (
        "a message that kills its actor is delivered again until it has done so "
        f"limits.max_deliveries times ({', '.join(named)}), but {intensity + 1} deaths within "
        f"{_text(supervisor.period_s)} s take the supervisor down before that; raise intensity to "
        f"{most} or lower max_deliveries to {intensity}"
    )


def _delays_s(backoff: Backoff | None, restarts: int) -> float:
    """At least this long the first restarts of a child that dies at once are put off."""
    if backoff is None:
        return 0.0
    total_s, delay_s = 0.0, backoff.base_s
    for _ in range(min(restarts, DELAYS_MAX)):
        total_s += min(delay_s, backoff.max_s)
        delay_s = min(delay_s * backoff.factor, backoff.max_s)
    return total_s * (1 - backoff.jitter)


def _text(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 1000 else f"{seconds:.0f}"
