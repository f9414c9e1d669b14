"""The same scenario under our policy: pretended processes that meet the same fates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from typing import assert_never

from tests.otp.scenario import (
    SUDDEN,
    Add,
    Ask,
    Batch,
    Die,
    Move,
    Record,
    Scenario,
    StartInstance,
    Verb,
    moved,
)
from tests.supervisor.policy_simulation import Simulation
from theater.supervisor import policy, view
from theater.supervisor.policy import AskStop, Exited, ExitKind, Kill, Ready, Spawn
from theater.supervisor.tree import Book, Child

EXISTING = policy.StopChild | policy.StartChild | policy.DeleteChild


class Ours:
    """One scenario; `live` gives its records."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.sim = Simulation(scenario.tree)
        self.fates = {(path, number): fate for path, number, fate in scenario.fates}
        self.starts: dict[str, int] = {}
        self.trace: list[str] = []
        self.dead: set[tuple[str, int]] = set()  # of this batch; it may not know that yet
        self.calls = 0

    # Names: a pool here counts its instances, in a scenario they have labels -----------------

    def name(self, child: Child) -> str:
        """As the scenario calls it."""
        if child.parent is None:
            return ""
        above = self.name(child.parent.owner)
        last = child.path.rpartition("/")[2]
        if child.parent.pool:
            last = f"{last.rpartition('-')[0]}-{child.args[0]}"
        return f"{above}/{last}" if above else last

    def find(self, name: str) -> Child | None:
        found = (child for child in self.sim.state.children.values() if self.name(child) == name)
        return next(found, None)

    # Telling ---------------------------------------------------------------------------------

    def send(self, event: policy.Event) -> None:
        for action in self.sim.send(event):
            match action:
                case Spawn(path):
                    name = self.name(self.sim.state.children[path])
                    self.starts[name] = self.starts.get(name, 0) + 1
                    self.trace.append(f"start {name}")
                case AskStop(path, number) | Kill(path, number):
                    name = self.name(self.sim.state.children[path])
                    again = isinstance(action, Kill) and self.sim.live[path].asked
                    if not again and self.sim.live[path].ready and (path, number) not in self.dead:
                        self.trace.append(f"stop {name}")

    def fate(self, path: str) -> str:
        """Of its present start."""
        name = self.name(self.sim.state.children[path])
        return self.fates.get((name, self.starts[name]), "ok")

    def rest(self) -> None:
        """Every process does what its fate is, oldest first."""
        live = self.sim.live
        while todo := [p for p in live.values() if p.killed or p.asked or not p.ready]:
            path, number = todo[0].path, todo[0].incarnation
            fate = self.fate(path)
            if todo[0].asked or todo[0].killed:
                kind = ExitKind.CRASH if todo[0].killed else ExitKind.SHUTDOWN
                self.send(Exited(path, number, kind, "stopped"))
            elif fate == "ok":
                self.send(Ready(path, number))
            elif fate in SUDDEN:
                self.dead.add((path, number))
                self.send(Ready(path, number))
                self.send(Exited(path, number, ExitKind(fate), "at once"))
            else:
                kind = ExitKind.CRASH if fate == "fail" else ExitKind.NORMAL
                self.send(Exited(path, number, kind, fate, ignored=fate == "ignore"))

    # The scenario ----------------------------------------------------------------------------

    def live(self) -> Iterator[Record]:
        self.send(policy.Start())
        yield self.record()
        for batch in self.scenario.batches:
            yield self.batch(batch)

    def batch(self, batch: Batch) -> Record:
        owner = self.find(batch.supervisor)
        if owner is None or owner.inner is None or owner.book is not Book.UP:
            return self.record(skipped=True)
        node, incarnation = owner.inner, owner.incarnation
        paths = {self.name(child): child.path for child in node.children.values()}
        doomed = [paths.get(move.path, "") for move in batch.moves if isinstance(move, Die)]
        dying = {path: self.sim.live[path].incarnation for path in doomed if path in self.sim.live}
        self.dead = set(dying.items())
        answers: list[int | str] = []
        for move in batch.moves:
            if isinstance(move, Die):
                path = paths.get(move.path, "")
                if path in dying:
                    self.send(Exited(path, dying.pop(path), move.kind, "trouble"))
            elif owner.incarnation != incarnation or node.ending or owner.book is not Book.UP:
                answers.append("gone")  # too late for the supervisor it was meant for
            else:
                self.calls += 1
                self.put(owner, self.call(move, owner, batch.supervisor))
                answers.append(self.calls)
        assert not dying, "it was not told about everybody"
        self.rest()
        self.dead = set()
        words = [self.word(move, each) for move, each in zip(calls(batch), answers, strict=True)]
        return self.record(answers=tuple(words))

    def call(self, move: Move, owner: Child, name: str) -> policy.Call:
        number = self.calls
        match move:
            case Ask(verb, path):
                child = self.find(path)
                last = path.rpartition("/")[2] if verb is not Verb.TERMINATE_INSTANCE else "nobody"
                real = child.path if child else f"{owner.path}/{last}".strip("/")
                match verb:
                    case Verb.TERMINATE:
                        return policy.StopChild(real, number, strict=True)
                    case Verb.TERMINATE_INSTANCE:
                        return policy.StopChild(real, number)
                    case Verb.RESTART:
                        return policy.StartChild(real, number, strict=True)
                    case Verb.DELETE:
                        return policy.DeleteChild(real, number, strict=True)
                    case _:
                        assert_never(verb)
            case Add(spec):
                return policy.AddChild(owner.path, moved(spec, name, owner.path), number)
            case StartInstance(label):
                return policy.StartInstance(owner.path, (label,), number)
            case _:
                raise AssertionError(f"{move} is no call")

    def put(self, owner: Child, call: policy.Call) -> None:
        """Into the inbox, where OTP has it.

        Two calls do not wait there with us, on purpose, and are kept out of here: a stop of the
        very child that is being started, and one about a child that there is not.
        """
        node = owner.inner
        assert node is not None and call.call is not None
        current = node.task.current if node.task else None
        stop = isinstance(call, policy.StopChild) and current and current.path == call.path
        starting = stop and current and current.book is Book.STARTING
        known = not isinstance(call, EXISTING) or call.path in self.sim.state.children
        if starting or (node.task and not node.calls and not known):
            self.sim.open_calls.add(call.call)
            node.calls += 1
            node.inbox.append(call)
        else:
            self.send(call)

    def word(self, move: Move, answer: int | str) -> str:
        if isinstance(answer, str):
            return answer
        code = self.sim.replies[answer].code
        if code == "not_found" and isinstance(move, Ask) and move.verb is Verb.TERMINATE_INSTANCE:
            return "ok"  # OTP is asked about a pid, and says that of any dead process
        return "gone" if code == "noproc" else code

    def record(self, skipped: bool = False, answers: tuple[str, ...] = ()) -> Record:
        self.rest()
        assert not self.sim.open_calls
        trace, self.trace = self.trace, []
        state = self.sim.state
        children, counts = {}, {}
        for owner in state.children.values():
            if owner.inner is None or owner.book is not Book.UP:
                continue
            rows = view.which_children(state, owner.path)
            count = view.count_children(state, owner.path)
            assert rows is not None and count is not None
            listed = [(self.name(state.children[row.path]), _STATES[row.process]) for row in rows]
            # A pool has no order.
            children[self.name(owner)] = tuple(sorted(listed) if owner.inner.pool else listed)
            counts[self.name(owner)] = astuple(count)
        return Record(skipped, self.sim.ended is not None, answers, tuple(trace), children, counts)


_STATES = {"running": "up", "undefined": "undefined", "restarting": "restarting"}


def calls(batch: Batch) -> list[Move]:
    return [move for move in batch.moves if not isinstance(move, Die)]
