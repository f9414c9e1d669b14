"""A slice of the chaos, and whether its checker would notice anything."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.chaos import chaos, checker, plan
from tests.chaos.customer import Operation
from tests.chaos.plan import Plan
from tests.chaos.run import Run
from tests.waiting import eventually
from theater.client import LogReader

# The points that the tests of the rows do not try, in an order in which root forgives the deaths.
SLICE = (
    "worker.turn-begun@diary 1 itself + worker.loaded@diary 1 itself",
    "worker.asked@ann 3 itself",
    "worker.asked@clerk 1 itself + worker.turn-begun@cell 1 itself",
    "worker.step-sent@runner 4 itself",
    "worker.asked@boss 1 itself + root.birth-judged 1 root",
    "worker.step-acknowledged@bob 2 itself",
    "worker.turn-begun@hits 1 itself + zygote.ordered 1 itself",
    "worker.turn-begun@north 1 itself + broker.buried 1 itself",
    "worker.turn-begun@audit 2 itself + zygote.reported 1 itself",
    "worker.turn-begun@south 1 itself + root.ordered 1 itself",
    "worker.turn-begun@hits 1 itself + root.spawned 1 itself",
    "worker.turn-begun@vault 1 itself + root.reaped 1 itself",
    "worker.turn-begun@ann 1 itself + root.buried 1 itself",
    "worker.step-made@ann 5 itself + customer.answered 4 down",
)
RANDOM = 3  # plans


def test_killed_at_any_instant_nothing_is_lost(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    run = Run(tmp_path, f"{seed}")
    try:
        hits = run.count()
        dice = random.Random(seed)
        chosen = [*map(Plan.read, SLICE), *(plan.some(hits, dice) for _ in range(RANDOM))]
        for number, each in enumerate(chosen):
            print(f'python -m tests.chaos --seed {seed} --plan "{each}"')  # it tries that again
            eventually(partial(run.may, each), "root to forgive one more death of a helper")
            assert run.round(each) or number >= len(SLICE), "a point was not reached"
    except BaseException:
        run.give_up()
        raise
    run.end()


@pytest.mark.parametrize("what", ["count", "round", "end"])
def test_a_failure_says_its_seed_and_where_the_log_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    class Failing:
        """Stands for a run of which one thing goes wrong."""

        def __init__(self, directory: Path, seed: str) -> None:
            self.directory, self.counts = directory, Counter[str]()
            directory.mkdir()

        def count(self) -> plan.Hits:
            assert what != "count"
            return Counter({("broker.in-commit", ""): 1})

        def may(self, _plan: Plan) -> bool:
            return True

        def round(self, _plan: Plan) -> bool:
            assert what != "round"
            return True

        def end(self) -> None:
            assert what != "end"

        def give_up(self) -> None:
            said.append("given up")

    said: list[str] = []
    monkeypatch.setattr(chaos, "Run", Failing)
    failing = chaos.Chaos(tmp_path, 7, said.append)
    with pytest.raises(AssertionError):
        failing.count()
        failing.rounds([Plan.read("broker.in-commit 1 itself")])
        failing.end()
    when = {
        "count": "with nobody killed",
        "round": "plan: broker.in-commit 1 itself",
        "end": "at the end of a run",
    }
    assert said == [
        f"chaos: failed; seed 7, {when[what]}",
        f"chaos: the log is {tmp_path}/0/.theater/chain.db",
        "given up",
    ]
    assert (tmp_path / "0").exists()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Operation]]:
    """A log of rounds in which nobody was killed, and what the clients know."""
    run = Run(tmp_path_factory.mktemp("quiet"), "quiet")
    try:
        run.round(Plan(()))
    except BaseException:
        run.give_up()
        raise
    run.end()
    return run.directory / ".theater" / "chain.db", run.history


# The tellers' messages to the audit; the first two are of one turn.
OF_ANN = (
    "from_actor = (SELECT id FROM actors WHERE name = 'ann')"
    " AND to_name = 'audit' ORDER BY id LIMIT 1"
)
FORGED = {
    "is lost": "DELETE FROM messages WHERE client LIKE '%:3'",
    "is not in the log as it was said": "UPDATE messages SET body = x'00' WHERE to_name = 'diary'",
    "nobody has said it": "UPDATE messages SET client = 'other' WHERE client LIKE '%:3'",
    "was answered": "UPDATE messages SET answer = x'81a26f6bc40139' WHERE kind = 'request'"
    " AND client IS NOT NULL",
    "lost: [('ann'": f"DELETE FROM messages WHERE id = (SELECT id FROM messages WHERE {OF_ANN})",
    "not in order": "UPDATE messages SET turn = 1000 - turn WHERE to_name = 'audit'",
    "is queued, handled by": "UPDATE messages SET status = 'queued' WHERE to_name = 'hits'",
    "handled by [(": "UPDATE turns SET message = (SELECT min(message) FROM turns)"
    " WHERE message IS NOT NULL",
    "with 1 calls and 0 results": "DELETE FROM events WHERE seq = (SELECT seq FROM events"
    " WHERE type = 'wasm-result' AND actor = (SELECT id FROM actors WHERE name = 'hits')"
    " ORDER BY seq DESC LIMIT 1)",
    "opened 1 times and closed 0": "DELETE FROM messages WHERE kind = 'channel-close'",
    "has 0 answers": "DELETE FROM events WHERE type = 'host-answer'",
    "was set aside": "INSERT INTO dead_letters (actor, reason, at) VALUES ('ann', 'bad', 0)",
    "asks are open": "UPDATE asks SET status = 'open'",
    "counted 2 violations": "INSERT INTO counters VALUES ('violations', 2)",
}


@pytest.mark.parametrize("complaint", FORGED)
def test_the_checker_sees_it(
    quiet: tuple[Path, list[Operation]], tmp_path: Path, complaint: str
) -> None:
    log, history = quiet
    assert _judged(log, history) == []
    shutil.copy(log, tmp_path / "chain.db")
    with closing(sqlite3.connect(tmp_path / "chain.db")) as db, db:
        assert db.execute(FORGED[complaint]).rowcount > 0
    found = _judged(tmp_path / "chain.db", history)
    assert complaint in "\n".join(found)


def test_the_checker_believes_the_clients(quiet: tuple[Path, list[Operation]]) -> None:
    log, history = quiet
    more = Operation("send", "ann", b"", id="other", is_answered=True)
    assert _judged(log, [*history, more]) == ["other was acknowledged, and is lost"]
    unheard = replace(more, is_answered=False)
    assert _judged(log, [*history, unheard]) == []


def _judged(log: Path, history: list[Operation]) -> list[str]:
    reader = LogReader(str(log))
    try:
        return checker.judge(reader, history)
    finally:
        reader.close()
