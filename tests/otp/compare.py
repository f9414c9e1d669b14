"""Put OTP and our policy side by side, and find the smallest scenario that parts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.otp import oracle
from tests.otp.ours import Ours
from tests.otp.scenario import Add, Batch, Record, Scenario, comparable
from theater.spec import ActorSpec, AutoShutdown, ChildSpec, Restart, Strategy, SupervisorSpec

T = TypeVar("T")
FIELDS = ("skipped", "trace", "answers", "ended", "children", "counts")


@dataclass(frozen=True, slots=True)
class Difference:
    """The first one in a scenario."""

    scenario: Scenario
    what: str  # a field of Record, or what our side raised
    batch: int  # 0: already when the tree was started
    otp: Record
    ours: Record | None  # None: it raised

    def __str__(self) -> str:
        return (
            f"{self.what}, after batch {self.batch} of\n{oracle.term(self.scenario)}\n"
            f"OTP:  {self.otp}\nours: {self.ours}"
        )


def differences(scenarios: Sequence[Scenario]) -> list[Difference | None]:
    answers = oracle.ask(scenarios)
    return [difference(*both) for both in zip(scenarios, answers, strict=True)]


def difference(scenario: Scenario, otp: Sequence[Record]) -> Difference | None:
    mine: list[Record] = []
    try:
        for record in Ours(scenario).live():
            mine.append(record)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        return Difference(scenario, what, len(mine), otp[len(mine)], None)
    pairs = zip(comparable(otp, scenario), comparable(mine, scenario), strict=True)
    for number, (theirs, own) in enumerate(pairs):
        for name in FIELDS:
            if getattr(theirs, name) != getattr(own, name):
                return Difference(scenario, name, number, theirs, own)
    return None


# Smaller -----------------------------------------------------------------------------------


def smallest(found: Difference) -> Difference:
    """Leave out whatever can be left out. All candidates of a round are asked for at once."""
    while True:
        candidates = differences(list(smaller(found)))
        less = [each for each in candidates if each and (each.ours is None) == (found.ours is None)]
        if not less:
            return found
        found = min(less, key=lambda each: len(oracle.term(each.scenario)))


def smaller(found: Difference) -> Iterator[Scenario]:
    scenario = replace(found.scenario, batches=found.scenario.batches[: found.batch])
    if scenario != found.scenario:
        yield scenario
        return
    yield from (replace(scenario, fates=fates) for fates in without_some(scenario.fates))
    for batches in without_some(scenario.batches):
        yield replace(scenario, batches=batches)
    for i, batch in enumerate(scenario.batches):
        before, after = scenario.batches[:i], scenario.batches[i + 1 :]
        for less in shorter(batch):
            yield replace(scenario, batches=(*before, less, *after))
    for tree in simpler(scenario.tree):
        assert isinstance(tree, SupervisorSpec)
        yield replace(scenario, tree=tree)


def without_some(things: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """Without one half, then without each quarter, ... and at last without each one."""
    size = len(things)
    while size > 0:
        for i in range(0, len(things), size):
            yield things[:i] + things[i + size :]
        size //= 2


def shorter(batch: Batch) -> Iterator[Batch]:
    for moves in without_some(batch.moves):
        yield replace(batch, moves=moves)
    for i, move in enumerate(batch.moves):
        if isinstance(move, Add):
            for spec in simpler(move.spec):
                yield replace(batch, moves=(*batch.moves[:i], Add(spec), *batch.moves[i + 1 :]))


def simpler(spec: ChildSpec) -> Iterator[ChildSpec]:
    if spec.path and spec.restart is not Restart.PERMANENT:
        yield replace(spec, restart=Restart.PERMANENT, significant=False)
    if spec.significant:
        yield replace(spec, significant=False)
    if isinstance(spec, ActorSpec):
        if spec.shutdown != (plain := ActorSpec(spec.path, spec.component).shutdown):
            yield replace(spec, shutdown=plain)
        return
    if spec.strategy in (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE):
        yield replace(spec, strategy=Strategy.ONE_FOR_ONE)
    if spec.auto_shutdown is not AutoShutdown.NEVER:
        insignificant = tuple(replace(child, significant=False) for child in spec.children)
        yield replace(spec, auto_shutdown=AutoShutdown.NEVER, children=insignificant)
    if spec.template is not None:
        yield from (replace(spec, template=template) for template in simpler(spec.template))
    for i, child in enumerate(spec.children):
        before, after = spec.children[:i], spec.children[i + 1 :]
        yield replace(spec, children=before + after)
        for less in simpler(child):
            yield replace(spec, children=(*before, less, *after))
