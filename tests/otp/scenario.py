"""What both sides are told, and what each has to tell afterwards. Plain frozen data.

A scenario is a tree, the fate of every start that does not go well, and batches of moves. A
batch is what lies in the mailbox of one supervisor before it looks at the first of it. An
instance of a pool is named after the label of its start: `pool/w-7` is what the move
StartInstance("7") started, whatever number a side gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Literal

from theater.spec import ActorSpec, ChildSpec, SupervisorSpec
from theater.supervisor.policy import ExitKind

# Of a start: it fails, there is nothing to run, or it comes up and ends at once.
Fate = Literal["fail", "ignore", "normal", "shutdown", "crash"]
SUDDEN: tuple[Fate, ...] = ("normal", "shutdown", "crash")
HOUR_S = 3600.0  # the period: nothing that is counted is ever too old


class Verb(StrEnum):
    """OTP's calls that name a child."""

    TERMINATE = "terminate_child"
    RESTART = "restart_child"
    DELETE = "delete_child"
    TERMINATE_INSTANCE = "terminate_instance"  # terminate_child with a pid


@dataclass(frozen=True, slots=True)
class Die:
    """The worker ends by itself. Nothing, if it is not there when the batch begins."""

    path: str
    kind: ExitKind = ExitKind.CRASH


@dataclass(frozen=True, slots=True)
class Ask:
    verb: Verb
    path: str


@dataclass(frozen=True, slots=True)
class Add:
    """start_child with a new specification."""

    spec: ChildSpec


@dataclass(frozen=True, slots=True)
class StartInstance:
    """start_child of a pool."""

    label: str


Move = Die | Ask | Add | StartInstance


@dataclass(frozen=True, slots=True)
class Batch:
    supervisor: str
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    tree: SupervisorSpec
    fates: tuple[tuple[str, int, Fate], ...] = ()  # path, number of the start from 1
    batches: tuple[Batch, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What was so when everything had come to rest."""

    skipped: bool = False  # the supervisor of the batch was not there
    ended: bool = False  # the whole tree
    answers: tuple[str, ...] = ()  # OTP's words, in the order of the calls
    trace: tuple[str, ...] = ()  # "start a/b" and "stop a/b" of workers, since the last record
    children: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    counts: dict[str, tuple[int, ...]] = field(default_factory=dict)


# Looking ----------------------------------------------------------------------------------


def moved(spec: ChildSpec, old: str, new: str) -> ChildSpec:
    """The same with everything below `old` below `new`."""
    path = new + spec.path.removeprefix(old)
    if isinstance(spec, ActorSpec):
        return replace(spec, path=path)
    children = tuple(moved(child, old, new) for child in spec.children)
    template = spec.template and moved(spec.template, old, new)
    return replace(spec, path=path, children=children, template=template)


def pools(scenario: Scenario) -> set[str]:
    """Paths of pools, with those that are part of a template under its own path."""
    found: set[str] = set()

    def look(spec: ChildSpec) -> None:
        if isinstance(spec, SupervisorSpec):
            if spec.template:
                found.add(spec.path)
                look(spec.template)
            for child in spec.children:
                look(child)

    look(scenario.tree)
    for batch in scenario.batches:
        for move in batch.moves:
            if isinstance(move, Add):
                look(move.spec)
    return found


def comparable(records: Sequence[Record], scenario: Scenario) -> list[Record]:
    """Without what OTP leaves open: the order in which a pool stops its instances.

    It stops them all at once. With instances that are supervisors themselves this loses the
    order within each of them too.
    """
    found = pools(scenario)

    def pool(step: str) -> str:
        """The outermost pool that has a part in stopping this; else something unique."""
        word, _, path = step.partition(" ")
        inside = [each for each in found if path.startswith(f"{each}/") or each == ""]
        return min(inside, key=len) if word == "stop" and inside else step

    return [
        replace(
            record,
            trace=tuple(step for _, group in groupby(record.trace, pool) for step in sorted(group)),
        )
        for record in records
    ]
