"""Random supervision trees, and random changes to them. Every one is a valid manifest."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from tests.supervisor.policy_simulation import BRUTAL, INFINITY, actor, supervisor
from theater.spec import (
    ActorSpec,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Restart,
    Shutdown,
    Strategy,
    SupervisorSpec,
    instance,
)

NEVER, POOL = AutoShutdown.NEVER, Strategy.SIMPLE_ONE_FOR_ONE
GROUPS = [strategy for strategy in Strategy if strategy is not POOL]
BACKOFFS = [
    Backoff(base_s=0.5),
    Backoff(base_s=1.0, factor=3.0, max_s=4.0, settled_s=2.0),
    Backoff(base_s=0.5, jitter=1.0, settled_s=5.0),
]


def under(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def random_tree(dice: random.Random, path: str = "", depth: int = 0) -> SupervisorSpec:
    strategy = dice.choice([*GROUPS, *GROUPS, POOL])
    flags: dict[str, Any] = {
        "strategy": strategy,
        "restart": dice.choice(list(Restart)),
        "intensity": dice.choice([0, 1, 2, 3, 10]),
        "period_s": dice.choice([1.0, 2.0, 5.0]),
    }
    if strategy is POOL:
        template = random_child(dice, under(path, "w"), depth, NEVER, pools=False)
        first = dice.choice([0, 0, 1, 2, 3])
        children = [instance(template, number) for number in range(1, first + 1)]
        return supervisor(path, *children, template=template, **flags)
    auto = dice.choice([NEVER, *AutoShutdown])
    names = "abcd"[: dice.randint(0 if depth else 1, 4)]
    children = [random_child(dice, under(path, name), depth, auto) for name in names]
    return supervisor(path, *children, auto_shutdown=auto, **flags)


def random_child(
    dice: random.Random, path: str, depth: int, above: AutoShutdown, pools: bool = True
) -> ChildSpec:
    spec: ChildSpec
    if depth < 3 and dice.random() < 0.3:
        spec = random_tree(dice, path, depth + 1)
        while not pools and has_pool(spec):
            spec = random_tree(dice, path, depth + 1)
    else:
        spec = random_actor(dice, path)
    return maybe_significant(dice, spec, above)


def random_actor(dice: random.Random, path: str) -> ActorSpec:
    shutdown = dice.choice([Shutdown(timeout_s=dice.choice([0.0, 1.0])), BRUTAL, INFINITY])
    return actor(path, dice.choice(list(Restart)), dice.choice([2.0, 4.0]), shutdown=shutdown)


def maybe_significant(dice: random.Random, spec: ChildSpec, above: AutoShutdown) -> ChildSpec:
    may_be = above is not NEVER and spec.restart is not Restart.PERMANENT
    return replace(spec, significant=may_be and dice.random() < 0.5)


def has_pool(spec: ChildSpec) -> bool:
    if isinstance(spec, ActorSpec):
        return False
    return spec.template is not None or any(map(has_pool, spec.children))


def with_trouble(dice: random.Random, spec: SupervisorSpec) -> SupervisorSpec:
    """Some supervisors are not waited for for ever, and some wait before a restart."""

    def troubled(child: ChildSpec) -> ChildSpec:
        return with_trouble(dice, child) if isinstance(child, SupervisorSpec) else child

    shutdown = dice.choice([spec.shutdown, BRUTAL, Shutdown(timeout_s=1.5)])
    backoff = dice.choice([None, None, *BACKOFFS])
    if spec.template is not None:
        template = troubled(spec.template)
        numbers = range(1, len(spec.children) + 1)
        children = tuple(instance(template, number) for number in numbers)
        return replace(
            spec, shutdown=shutdown, backoff=backoff, template=template, children=children
        )
    children = tuple(troubled(child) for child in spec.children)
    return replace(spec, shutdown=shutdown, backoff=backoff, children=children)


# Changes -----------------------------------------------------------------------------------


def edited(dice: random.Random, spec: SupervisorSpec) -> SupervisorSpec:
    """The manifest after somebody has been at it. Some changes are such that nobody can make
    them while the system runs."""
    spec = other_flags(dice, spec) if dice.random() < 0.3 else spec
    if spec.template is not None:
        return edited_pool(dice, spec, spec.template)
    children = [edited_child(dice, child, spec.auto_shutdown) for child in spec.children]
    children = [child for child in children if dice.random() < 0.9]
    names = {child.path for child in children}
    for name in "abcdefg":
        path = under(spec.path, name)
        if path not in names and dice.random() < 0.1:
            new = random_child(dice, path, 2, spec.auto_shutdown)
            children.insert(dice.randint(0, len(children)), new)
    if dice.random() < 0.2:
        dice.shuffle(children)
    return replace(spec, children=tuple(children))


def edited_pool(dice: random.Random, spec: SupervisorSpec, template: ChildSpec) -> SupervisorSpec:
    template = edited_child(dice, template, NEVER)
    first = dice.choice([len(spec.children), dice.randint(0, 4)])
    children = tuple(instance(template, number) for number in range(1, first + 1))
    return replace(spec, template=template, children=children)


def edited_child(dice: random.Random, spec: ChildSpec, above: AutoShutdown) -> ChildSpec:
    roll = dice.random()
    if roll < 0.01:
        return random_child(dice, spec.path, 2, above)  # it may be another kind of thing
    if roll < 0.7:
        spec = edited(dice, spec) if isinstance(spec, SupervisorSpec) else spec
    elif isinstance(spec, SupervisorSpec):
        spec = edited(dice, replace(spec, restart=dice.choice(list(Restart))))
    else:
        spec = replace(random_actor(dice, spec.path), args=(str(dice.random()),))
    if spec.significant and (above is NEVER or spec.restart is Restart.PERMANENT):
        spec = replace(spec, significant=False)
    return spec


def other_flags(dice: random.Random, spec: SupervisorSpec) -> SupervisorSpec:
    spec = replace(
        spec,
        intensity=dice.choice([0, 1, 2, 3, 10]),
        period_s=dice.choice([1.0, 2.0, 5.0]),
        shutdown=dice.choice([spec.shutdown, INFINITY, Shutdown(timeout_s=1.5)]),
        backoff=dice.choice([spec.backoff, None, *BACKOFFS]),
    )
    if spec.template is not None:
        return spec
    strategy, auto = dice.choice(GROUPS), dice.choice([spec.auto_shutdown, *AutoShutdown])
    return replace(spec, strategy=strategy, auto_shutdown=auto)
