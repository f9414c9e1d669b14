"""One actor and its worker through any history, beside a plain model of what has to be so.

Whoever tells a history has a model with `initialised` and `anew()`, and hooks for what is its own:
that the model hears of a step, or that a turn was set aside; what happens around another broker.
"""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

from tests.broker.test_messaging_histories import Line, Lines
from theater.events import Event, decode


class Listened(Line):
    """A worker's line; the model hears each step that this broker takes for the first time."""

    history: Alone

    def _say(self, frame: tuple[Any, ...]) -> None:
        turn, step, input_id, events, contents = frame
        is_new = (turn, step) > self.actor.committed
        now_s = self.history.system.now_s
        self.turns.step(self.actor, turn, step, input_id, events, contents, now_s)
        if is_new:
            self.history.hear_step(list(map(decode, events)))


class Listening(Lines):
    worker_type = Listened


class Alone:
    """`model`: what has to be so now; `committed`: as of the last commit. `at`: Unix time."""

    def __init__(
        self, directory: Path, seed: int, model: Any, order: dict[str, Any], at: float = 0.0
    ) -> None:
        self.chance = random.Random(seed)
        self.directory = directory
        self.model, self.committed = model, copy.deepcopy(model)
        self.order, self.at = order, at
        Listened.history = self
        self.system = Listening(directory, order, at=at)
        self.worker: Listened | None = None
        self.number = 0
        self.start()

    # What is a history's own

    def hear_step(self, events: list[Event]) -> None:
        raise NotImplementedError

    def hear_set_aside(self, kind: str) -> None:
        raise NotImplementedError

    def between_brokers(self) -> None: ...

    def before_hello(self) -> None: ...

    def after_hello(self) -> None: ...

    # What happens

    def commit(self) -> None:
        self.system.step()
        self.committed = copy.deepcopy(self.model)

    def start(self, anew: str = "") -> None:
        is_begun = self.model.initialised or self.system.actor("a").current is not None
        before = self.set_aside()
        worker = self.system.expect("a", anew)
        self.hear_of_the_dead(before)
        if anew and is_begun:
            self.model.anew()
        assert isinstance(worker, Listened)
        self.worker = worker
        self.commit()

    def die(self) -> None:
        """Its worker: of what it was at, or because it has to."""
        chance, worker = self.chance, self.worker
        assert worker is not None
        how = chance.choice(["fail", "kill", "stop"])
        before = self.set_aside()
        self.worker = None
        if how == "fail" and worker.record is not None:
            self.system.fail("a")
        else:
            self.system.kill("a", wanted=how == "stop")
        self.hear_of_the_dead(before)
        self.system.phase("a", "stopped" if how == "stop" else "restarting")
        self.commit()

    def set_aside(self) -> list[str]:
        """The kinds of the turns that were."""
        rows = self.system.query("SELECT kind FROM turns WHERE status = 'failed' ORDER BY turn")
        return [kind for (kind,) in rows]

    def hear_of_the_dead(self, before: list[str]) -> None:
        for kind in self.set_aside()[len(before) :]:
            self.hear_set_aside(kind)

    def broker_dies(self) -> None:
        """Another one goes on, with the worker; what was not committed nobody knows."""
        old, worker = self.system, self.worker
        assert worker is not None
        if self.chance.random() < 0.5:
            old.write()
            self.committed = copy.deepcopy(self.model)
        self.model = copy.deepcopy(self.committed)
        self.between_brokers()
        living = [("a", worker.actor.incarnation, worker.actor.secret, 1)]
        new = self.system = Listening(
            self.directory, self.order, db=old.db, living=living, at=self.at
        )
        new.actor("a").phase = old.actor("a").phase
        worker.turns, worker.actor = new.turns, new.actor("a")
        worker.actor.route = b"route"
        new.workers["a"] = worker
        self.before_hello()
        worker.take(new.now_s)
        worker.say_again()
        self.after_hello()
        self.commit()

    def all_die(self) -> None:
        self.commit()
        self.worker, before = None, self.set_aside()
        self.system = Listening(self.directory, self.order, db=self.system.db, at=self.at)
        self.hear_of_the_dead(before)  # which killed a worker too often
