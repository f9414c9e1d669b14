"""What supervisors decide, in plain words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theater.cli.changes import changes

STOPPED = "stopped"  # the reason of whoever obeyed a stop
NAMED_MAX = 5  # names in a line; the others are counted
VALUE_MAX = 40  # characters of one value that has changed


@dataclass(frozen=True, slots=True)
class Told:
    """A line, with what actors and manifests said as they said it."""

    text: str
    bad: bool = False


def decided(payload: Mapping[str, Any]) -> Told | None:
    """None: what follows from it tells it. See `supervisor/orders.Decision`."""

    def fact(name: str) -> str:
        return _text(payload.get(name, "?"))

    match payload.get("decision"):
        case "restart" | "retry" as decision:
            verb = "restarting" if decision == "restart" else "trying once more to start"
            left = f"{fact('left')} of {fact('intensity')} restarts in {fact('period_s')} s left"
            return Told(f"{verb}{_delay(payload)}{_group(payload)} ({left})")
        case "recycle":
            return Told(f"a planned restart: it has run {fact('turns')} turns")
        case "not-restarted":
            return Told(f"not restarted: it is {fact('restart')}{_how(payload)}")
        case "start-failed":
            return Told(f"failed to start: {fact('reason')}", bad=True)
        case "ignored":
            return Told("has nothing to run: its init asked to shut down")
        case "gave-up":
            text = f"gave up on {fact('child')}: more than {fact('intensity')} restarts"
            return Told(f"{text} in {fact('period_s')} s{_stopping(payload)}", bad=True)
        case "auto-shutdown":
            text = f"going down: {fact('child')} has ended, auto_shutdown is"
            return Told(f"{text} {fact('auto_shutdown')}{_stopping(payload)}")
        case "start-aborted":
            return Told(f"start given up: {fact('reason')}", bad=True)
        case "kill":
            return Told(f"killed: {fact('why')}", bad=True)
        case "operator":
            return Told(_asked(payload))
        case "reloaded":
            fields = payload.get("changed")
            told = changes(fields, VALUE_MAX) if isinstance(fields, dict) else []
            return Told(f"reloaded: {', '.join(told) or 'changed'}")
        case "replaced":
            return Told(f"the {fact('helper')} died ({fact('reason')}) and was replaced", bad=True)
        case "shutdown":
            return Told("everything is killed" if payload.get("kill") else "going down")
    return None


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _asked(payload: Mapping[str, Any]) -> str:
    call = _text(payload.get("call", "?"))
    if call == "scale":
        before, after = _text(payload.get("before", "?")), _text(payload.get("instances", "?"))
        return f"scaling from {before} to {after} instances asked for"
    if call == "start-instance":
        return f"one more instance asked for, number {_text(payload.get('number', '?'))}"
    if payload.get("init") is True:
        call += " with init"
    if isinstance(by := payload.get("by"), str):
        return f"spawned by {by}" if call == "add" else f"{call} asked for by {by}"
    return f"{call} asked for" + (" by a reload" if payload.get("part_of") == "reload" else "")


def _how(payload: Mapping[str, Any]) -> str:
    """How one ended that is not restarted."""
    match payload.get("exit"):
        case "normal":
            return " and ended by itself"
        case "shutdown":
            return f" and has {shut_down(_text(payload.get('reason', '')))}"
    return ""


def shut_down(reason: str) -> str:
    """What somebody has done who ended with `shutdown`: a supervisor does when it gives up."""
    if reason.startswith("gave up"):
        return "given up"
    return "been told to stop" if reason == STOPPED else "gone down"


def _delay(payload: Mapping[str, Any]) -> str:
    delay = payload.get("delay_s")
    return f" in {seconds(delay)} s" if isinstance(delay, int | float) else ""


def _group(payload: Mapping[str, Any]) -> str:
    """Who is restarted along with it, and who is only stopped."""
    started = paths(payload.get("started"))
    others = [path for path in started if path != payload.get("child")]
    gone = [path for path in paths(payload.get("stopped")) if path not in started]
    text = f" with {listed(others)}" if others else ""
    return text + (f" without {listed(gone)}" if gone else "")


def _stopping(payload: Mapping[str, Any]) -> str:
    stopped = paths(payload.get("stopped"))
    return f"; stopping {listed(stopped)}" if stopped else ""


def seconds(count: float) -> str:
    """Two digits of it are enough, and no power of ten."""
    return f"{count:.2g}" if count < 10 else f"{count:.0f}"


def paths(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def listed(names: list[str]) -> str:
    """`a, b, c and 4 more`."""
    if len(names) <= NAMED_MAX + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"
