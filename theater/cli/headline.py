"""Say in one sentence why something was started, or why it does not run. Pure."""

from __future__ import annotations

import datetime

from theater.causes import Account, Why
from theater.cli.decisions import shut_down
from theater.facts import ROOT, Fact, is_below

_NOTHING = Fact(0, 0.0, "", 0, "", {})


def headline(account: Account, now_at: float, status: str) -> str:
    """`status`: what root says of it; "" if no system runs."""
    name = account.name
    number = f" (incarnation {account.incarnation})" if account.incarnation else ""
    when = f"{_when(account.at, now_at)}{number}"
    match account.why:
        case Why.FIRST:
            return f"{name} was started {when}, for the first time"
        case Why.UP:
            return f"{name} was started {when} with the system, by `theater up`"
        case Why.RESTARTING:
            head = f"is {status}" if status else "was about to be restarted"
            return f"{name} {head}: {_because(account, status)}"
    if account.runs:
        verb = "started" if account.incarnation == 1 else "restarted"
        return f"{name} was {verb} {when}: {_because(account, status)}"
    how = f" ({status})" if status and account.why is not Why.REMOVED else ""
    return f"{name} does not run{how}: {_because(account, status)}"


def _when(at: float | None, now_at: float) -> str:
    if at is None:
        return ""
    moment, now = datetime.datetime.fromtimestamp(at), datetime.datetime.fromtimestamp(now_at)
    day = "" if moment.date() == now.date() else f"on {moment.date().isoformat()} "
    return f"{day}at {moment.strftime('%H:%M:%S')}"


def _because(account: Account, status: str) -> str:
    decision = account.decision or _NOTHING
    child, ended = decision.text("child"), how_it_ended(decision)
    who = "it" if child in ("", account.name) else child
    match account.why:
        case Why.DIED:
            return f"it {ended}"
        case Why.RETRY:
            return "the start before had failed"
        case Why.GROUP:
            return f"{child} {ended}, and {decision.text('strategy')} takes this one along"
        case Why.SUPERVISOR:
            started = decision.paths("started")
            above = next((path for path in started if is_below(path, account.name)), child)
            return f"with its supervisor {above}; {child} {ended}"
        case Why.OPERATOR | Why.STOPPED:
            whom = "" if decision.name == account.name else f" {decision.name}"
            by, call = decision.text("by"), decision.text("call")
            if by and call == "add":
                return f"{by} spawned {decision.name if whom else 'it'}"
            return f"{by or 'somebody'} asked for it ({call}{whom})"
        case Why.RECYCLED:
            return f"{_recycled(decision)}, and its state goes on"
        case Why.RESTARTING if decision.decision == "recycle":
            return _recycled(decision)
        case Why.RESTARTING:
            wait = ", and a backoff makes it wait" if decision.facts.get("delay_s") else ""
            return f"{who} {ended}{wait}"
        case Why.NOT_RESTARTED:
            return f"it {ended}, and it is {decision.text('restart')}"
        case Why.IGNORED:
            return "its init asked to shut down, so it has nothing to run"
        case Why.START_FAILED:
            return "its start failed, and nobody starts it again"
        case Why.WITH_GROUP:
            return f"it was stopped because {child} {ended}, and it is temporary"
        case Why.GAVE_UP:
            return f"{_itself(decision, account)} gave up"
        case Why.AUTO_SHUTDOWN:
            return f"{_itself(decision, account)} went down, because {child} had ended"
        case Why.START_ABORTED:
            return f"{_itself(decision, account)} did not come up"
        case Why.DOWN:
            return "the system was taken down"
        case Why.REMOVED:
            return "it is no longer in the tree"
        case Why.LOST if status:
            return "nothing has been decided about it yet"
        case Why.LOST:
            return "the system ended before it did; the next `theater up` starts it again"
    raise AssertionError(f"{account.why} has no grounds")


def _recycled(decision: Fact) -> str:
    return f"as planned, it had run {decision.number('turns')} turns"


def _itself(decision: Fact, account: Account) -> str:
    if decision.name == account.name:
        return "it"
    return "the root supervisor" if decision.name == ROOT else f"its supervisor {decision.name}"


def how_it_ended(decision: Fact) -> str:
    """How the child had ended that this decision is about: `had died`."""
    match decision.text("exit"):
        case "normal":
            return "had ended by itself"
        case "shutdown":
            return f"had {shut_down(decision.text('reason'))}"
        case "start-failed":
            return "had failed to start"
    return "had died"
