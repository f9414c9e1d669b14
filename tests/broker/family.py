"""An actor that spawns others, in a system without processes: what root does is done here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.broker.logged import order
from tests.broker.pretend import KINDS, LIMIT, PretendedWorker
from tests.broker.whole import Whole, give
from theater import spec_data
from theater.broker import children
from theater.broker.burial import Death, bury
from theater.calls import SUPERVISOR, WAITS
from theater.events import EventType
from theater.spec import ActorSpec, Handler, Limits
from theater.worker.turn import TurnRecord

BOSS = "boss"
TAKES = (*KINDS, *("child-error", "child-exit", "child-external-stop", "child-event"))


class FamilyWorker(PretendedWorker):
    has_place = False

    def about(self, function: str, *arguments: Any) -> tuple[int, int]:
        """Ask about a child; which turn and event that was."""
        record = self.record
        assert record is not None
        record.add(EventType.HOST_CALL, SUPERVISOR, function, [list(arguments)])
        asked = (record.turn, record.index - 1)
        self.commit()
        return asked

    def heard(self) -> None:
        """The answer has come, whatever it is. Of a turn that is gone on with its place is free."""
        assert self.record is not None
        self.record.answered(SUPERVISOR, "", None, has_place=self.has_place)
        self.has_place = False


class Family(Whole):
    """Of one actor, `boss`, and what it spawns."""

    worker_type = FamilyWorker

    def ask(self, function: str, *arguments: Any) -> Any:
        """A turn of the boss's that asks this; the answer that stands in its chain."""
        worker = give(self, BOSS)
        assert isinstance(worker, FamilyWorker)
        turn, index = worker.about(function, *arguments)
        self.step()
        return self.end_ask(turn, index)

    def end_ask(self, turn: int, index: int) -> Any:
        worker = self.workers[BOSS]
        assert isinstance(worker, FamilyWorker)
        worker.heard()
        worker.end(worker.state)
        self.step()
        answer = self.answer_of((turn, index))
        assert answer is not None
        return answer

    def spawn(self, name: str, function: str = "spawn", state: bytes | None = None) -> str:
        """As root does it: it is added, it starts, and the ask is answered."""
        asked = self.bear(name, function, f"{name}.toml", state)
        path = f"{BOSS}/{name}"
        self.start(path)
        self.runs(asked, path)
        assert self.end_ask(*asked) == {"ok": path}
        return path

    def bear(self, name: str, function: str, *arguments: Any) -> tuple[int, int]:
        """It is asked for, and added; which turn and event that was."""
        worker = give(self, BOSS)
        assert isinstance(worker, FamilyWorker)
        asked = worker.about(function, *arguments)
        self.step()
        state = arguments[1]
        child = born(name, asked, state, function == "resume")
        self.orders = (*self.orders, child)
        self.adopt(child)
        return asked

    def runs(self, asked: tuple[int, int], path: str) -> None:
        """Root says so to who has asked for it."""
        self.root_says(asked, {"ok": path})

    def root_says(self, asked: tuple[int, int], value: dict[str, Any]) -> None:
        children.answered(self.turns, BOSS, *asked, value, self.now_s)
        self.step()

    def wait_for(self, name: str, timeout_ms: int | None = None) -> tuple[int, int]:
        """It has been spawned, runs, and the boss waits for its end."""
        asked = self.bear(name, WAITS, f"{name}.toml", None, None, timeout_ms)
        self.start(f"{BOSS}/{name}")
        self.runs(asked, f"{BOSS}/{name}")
        assert self.answer_of(asked) is None
        return asked

    def go_on(self) -> None:
        """The boss goes on with its open turn: it is another one, or has another broker."""
        worker = self.workers[BOSS]
        assert isinstance(worker, FamilyWorker)
        actor, current = worker.actor, worker.actor.current
        assert current is not None
        worker.has_place = True
        if current.incarnation != actor.incarnation:
            worker.begin()
            return
        numbers = (actor.incarnation, current.turn)
        worker.record = record = TurnRecord(actor.name, *numbers, LIMIT, LIMIT)
        record.know(actor.state)
        record.go_on(current.step, current.index + (current.ask is not None), current.size, 0, ())

    def last_answer(self, name: str) -> Any:
        """That stands in an actor's chain."""
        answers = [event for event in self.chain(name) if event.type == EventType.HOST_ANSWER]
        return answers[-1].payload[0]

    def answer_of(self, asked: tuple[int, int]) -> Any:
        """What stands in the boss's chain; None: nothing yet."""
        turn, index = asked
        found = [
            event.payload[0]
            for event in self.chain(BOSS)
            if (event.turn, event.index) == (turn, index + 1)
        ]
        return found[0] if found else None

    def work(self, child: str, state: bytes = b"1") -> None:
        """A turn of a child's."""
        give(self, child).end(state)
        self.step()

    def hear(self, state: bytes | None = None) -> list[tuple[str, str]]:
        """The boss handles all that it is told of children: (kind, child) of each."""
        handled = []
        worker = self.workers[BOSS]
        while worker.inputs and worker.inputs[0][2].startswith("child-"):
            handled.append((worker.inputs[0][2], worker.inputs[0][5]))
            worker.begin()
            worker.end(state)
            self.step()
        return handled

    def end(self, child: str, by_others: bool = False) -> None:
        """Its process is gone: as it wants if it has called `shutdown`, else stopped."""
        self.workers.pop(child)
        death = Death("stopped", "shutdown", True, by_others)
        bury(self.turns, self.turns.actors[child], death, b"", self.now_s)
        self.step()


def born(
    name: str,
    asked: tuple[int, int],
    state: bytes | None = None,
    resumed: bool = False,
    **limits: int,
) -> dict[str, Any]:
    """What root tells the broker of one that was spawned."""
    spec = ActorSpec(
        f"{BOSS}/{name}",
        f"/{name}.wat",
        initial_state=state,
        handlers=(Handler("message-server", {}), Handler("loop", {})),
        spawned=asked,
        resumed=resumed,
        component_sha256="c0ffee",
        limits=Limits(**limits),
    )
    chained = {each: getattr(spec.limits, each) for each in ("memory_bytes", "fuel", "turn_bytes")}
    return order(
        spec.path,
        limits=chained,
        initial_state=state,
        takes=list(TAKES),
        spawned=asked,
        resumed=resumed,
        spec=spec_data.pack(spec),
    )


def family(directory: Path, **changes: Any) -> Family:
    """The boss alone, running."""
    boss = order(BOSS, takes=list(TAKES), may_manage=True, **changes)
    made = Family(directory, boss)
    made.start(BOSS)
    return made
