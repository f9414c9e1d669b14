"""What is killed when: plans, as text and as data. Pure.

A plan is one or more shots, as `broker.after-commit 3 ann` or
`worker.step-sent@ann 2 itself + zygote.forked 1 root`: at the n-th time that the point is reached
in the round, the victim is killed. Shots at the same point are counted one from the other. And
`customer.answered 5 down`: when clients have heard five times, the system is taken down in order.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from tests.chaos.bank import ACTORS, ANSWERS
from theater.crashpoints import POINTS

ITSELF = "itself"
ALL = "all"
DOWN = "down"  # nobody is killed: an operator says so
ANSWERED = "customer.answered"  # a point outside the system
HELPERS = ("broker", "zygote")
OTHERS = (*ACTORS, "zygote", "root", ALL)
# Who is killed around each commit, beside the broker itself. To a worker that dies it is all one
# whether that is before or after the commit, unless the broker dies with it.
AT_COMMITS = {
    "broker.before-commit": ("root",),
    "broker.after-commit": OTHERS,
    "broker.released": (*ACTORS, "zygote"),
}
BIRTH_POINTS = tuple(
    point
    for point in POINTS
    if point.startswith(("zygote.", "root.")) or point in ("worker.loaded", "broker.buried")
)

Hits = Counter[tuple[str, str]]  # (point, who) -> how often it was reached


@dataclass(frozen=True, slots=True)
class Kill:
    point: str
    who: str  # an actor, or nobody
    times: int
    victim: str  # ITSELF, ALL, root, a helper or an actor

    def __str__(self) -> str:
        at = f"{self.point}@{self.who}" if self.who else self.point
        return f"{at} {self.times} {self.victim}"

    @classmethod
    def read(cls, text: str) -> Kill:
        at, times, victim = text.split()
        point, _, who = at.partition("@")
        return cls(point, who, int(times), victim)

    def dies(self) -> str:
        """Whose process it is, whichever way that is said."""
        if self.victim != ITSELF:
            return self.victim
        return self.who or self.point.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Plan:
    kills: tuple[Kill, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.kills))

    @classmethod
    def read(cls, text: str) -> Plan:
        return cls(tuple(Kill.read(part) for part in text.split("+")))

    def dying(self) -> set[str]:
        """Everybody who may die of it; a worker that is not told by name may be any."""
        found = {kill.dies() for kill in self.kills}
        if found & {"root", ALL, DOWN}:
            found |= {"root", *ACTORS, *HELPERS}
        if "worker" in found:
            found |= {*ACTORS}
        return found

    def deaths(self, helper: str) -> int:
        """How often this helper may die without root."""
        return sum(kill.dies() == helper for kill in self.kills)


def every(hits: Hits, dice: random.Random) -> list[Plan]:
    """A plan for each instant at which the scenario, left alone, reaches a point.

    There each process kills itself; and at each commit each other process is killed.
    """
    plans = []
    for (point, who), count in sorted(hits.items()):
        plans += [Plan((Kill(point, who, n, ITSELF),)) for n in range(1, count + 1)]
        plans += [
            Plan((Kill(point, who, n, victim),))
            for n in range(1, count + 1)
            for victim in AT_COMMITS.get(point, ())
        ]
    plans += [Plan((Kill(ANSWERED, "", n, DOWN),)) for n in range(1, ANSWERS + 1)]
    plans += _births()
    dice.shuffle(plans)
    return plans


def _births() -> list[Plan]:
    """Points that are reached only when a worker dies and another is born: so one is killed."""
    plans = []
    for point in BIRTH_POINTS:
        for number, actor in enumerate(ACTORS):
            who = actor if point.startswith("worker.") else ""
            first = Kill("worker.turn-begun", actor, 1 + number % 2, ITSELF)
            victims = (ITSELF,) if point.startswith("root.") else (ITSELF, "root")
            plans += [Plan((first, Kill(point, who, 1, victim))) for victim in victims]
    return plans


def some(hits: Hits, dice: random.Random) -> Plan:
    """One to four kills at any points, also ones that follow one another at the same point."""
    reached = sorted(hits)
    kills = []
    for _ in range(dice.choice((1, 1, 2, 2, 3, 4))):
        point, who = dice.choice(reached)
        most = hits[point, who]
        if dice.random() < 0.25:
            point, who = dice.choice(BIRTH_POINTS), ""
            most = 1
        victim = ITSELF if dice.random() < 0.5 else dice.choice((*OTHERS, "broker"))
        kills.append(Kill(point, who, dice.randint(1, most + most // 2), victim))
    if dice.random() < 0.1:
        kills.append(Kill(ANSWERED, "", dice.randint(1, ANSWERS), DOWN))
    return Plan(tuple(kills))
