"""Each of OTP's rules as a scenario: what happens is for OTP to say, not for us.

Names are as far as possible those that docs/supervision.md and OTP's own documentation use.
"""

from __future__ import annotations

from itertools import product

from tests.otp.scenario import (
    HOUR_S,
    Add,
    Ask,
    Batch,
    Die,
    Fate,
    Move,
    Scenario,
    StartInstance,
    Verb,
)
from theater.spec import (
    ActorSpec,
    AutoShutdown,
    ChildSpec,
    Restart,
    Shutdown,
    ShutdownKind,
    Strategy,
    SupervisorSpec,
)
from theater.supervisor.policy import ExitKind

ONE, ALL, REST, POOL = Strategy
PERMANENT, TRANSIENT, TEMPORARY = Restart
NORMAL, SHUTDOWN, CRASH = ExitKind
NEVER, ANY, EVERY = AutoShutdown


# How to say it -----------------------------------------------------------------------------


def a(path: str, restart: Restart = PERMANENT, significant: bool = False) -> ActorSpec:
    return ActorSpec(path, "x.wasm", restart=restart, significant=significant)


def under(
    path: str,
    *children: ChildSpec,
    strategy: Strategy = ONE,
    intensity: int = 10,
    auto: AutoShutdown = NEVER,
    restart: Restart = PERMANENT,
    significant: bool = False,
) -> SupervisorSpec:
    return SupervisorSpec(
        path, strategy, intensity, HOUR_S, auto, None, restart, significant, children=children
    )


def pool(
    path: str, template: ChildSpec, intensity: int = 10, restart: Restart = PERMANENT
) -> SupervisorSpec:
    return SupervisorSpec(path, POOL, intensity, HOUR_S, restart=restart, template=template)


def abc(strategy: Strategy, intensity: int = 10, **restarts: Restart) -> SupervisorSpec:
    """Three children; `b=TRANSIENT` makes one of them not permanent."""
    children = [a(name, restarts.get(name, PERMANENT)) for name in "abc"]
    return under("", *children, strategy=strategy, intensity=intensity)


def dies(path: str, kind: ExitKind = CRASH) -> Die:
    return Die(path, kind)


def stop(path: str) -> Ask:
    return Ask(Verb.TERMINATE, path)


def start(path: str) -> Ask:
    return Ask(Verb.RESTART, path)


def delete(path: str) -> Ask:
    return Ask(Verb.DELETE, path)


def stop_instance(path: str) -> Ask:
    return Ask(Verb.TERMINATE_INSTANCE, path)


def fates(path: str, *those: Fate | None) -> tuple[tuple[str, int, Fate], ...]:
    """Of its starts from the first on; None is a start that goes well."""
    return tuple((path, number, fate) for number, fate in enumerate(those, 1) if fate)


def one_by_one(tree: SupervisorSpec, *moves: Move, supervisor: str = "") -> Scenario:
    """Each move when the one before has had all its consequences."""
    return Scenario(tree, batches=tuple(Batch(supervisor, (move,)) for move in moves))


def at_once(tree: SupervisorSpec, *moves: Move, supervisor: str = "") -> Scenario:
    return Scenario(tree, batches=(Batch(supervisor, moves),))


def meeting(scenario: Scenario, *those: tuple[tuple[str, int, Fate], ...]) -> Scenario:
    return Scenario(scenario.tree, sum(those, ()), scenario.batches)


# The rules ---------------------------------------------------------------------------------

FAIL: Fate = "fail"
IGNORE: Fate = "ignore"
RULES: dict[str, Scenario] = {}

# Who is restarted, and what becomes of the siblings.
for strategy, restart, kind in product((ONE, ALL, REST), Restart, ExitKind):
    RULES[f"{strategy}: a {restart} child ends, {kind}"] = one_by_one(
        abc(strategy, b=restart), dies("b", kind)
    )
for strategy in (ONE, ALL, REST):
    RULES |= {
        f"{strategy}: what is down is revived only by a group restart": one_by_one(
            abc(strategy, a=TRANSIENT, c=TRANSIENT),
            dies("a", NORMAL),
            stop("c"),
            dies("b"),
        ),
        f"{strategy}: temporary siblings are stopped and forgotten": one_by_one(
            abc(strategy, a=TEMPORARY, c=TEMPORARY), dies("b"), dies("b")
        ),
        f"{strategy}: added children take part, at the end": one_by_one(
            abc(strategy), Add(a("d")), dies("c"), dies("d")
        ),
        f"{strategy}: a deleted child that is added again stands at the end": one_by_one(
            abc(strategy), stop("a"), delete("a"), Add(a("a")), dies("b")
        ),
        f"{strategy}: two die at the same moment, the older first": at_once(
            abc(strategy), dies("a"), dies("c")
        ),
        f"{strategy}: two die at the same moment, the younger first": at_once(
            abc(strategy), dies("c"), dies("a")
        ),
        f"{strategy}: all die at the same moment, and one restart is allowed": at_once(
            abc(strategy, intensity=1), dies("b"), dies("c"), dies("a")
        ),
        f"{strategy}: a temporary sibling dies at the same moment": at_once(
            abc(strategy, c=TEMPORARY), dies("b"), dies("c")
        ),
        f"{strategy}: a temporary sibling dies just before": at_once(
            abc(strategy, c=TEMPORARY), dies("c"), dies("b")
        ),
        f"{strategy}: a child dies as soon as it is up": meeting(
            one_by_one(abc(strategy, intensity=3), dies("b")),
            fates("b", None, "crash", "crash"),
        ),
        f"{strategy}: children die while the supervisor starts the others": meeting(
            one_by_one(abc(strategy)), fates("a", "crash"), fates("b", "normal")
        ),
    }

# How often.
for intensity in (0, 1, 3):
    RULES[f"intensity {intensity}: so many restarts, and not one more"] = one_by_one(
        abc(ONE, intensity), *[dies("b")] * (intensity + 1)
    )
RULES |= {
    "one window for all children": one_by_one(
        abc(ONE, intensity=2), dies("a"), dies("b"), dies("a", NORMAL)
    ),
    "a group restart costs one": one_by_one(abc(ALL, intensity=2), *[dies("a")] * 3),
    "calls and ends that are not restarted cost nothing": one_by_one(
        abc(ONE, intensity=1, c=TRANSIENT),
        stop("a"),
        start("a"),
        stop("a"),
        start("a"),
        dies("c", NORMAL),
        start("c"),
        Add(a("d")),
        dies("b"),
        dies("b"),
    ),
    "every attempt to restart costs one": meeting(
        one_by_one(abc(ONE, intensity=4), dies("b")), fates("b", None, *[FAIL] * 9)
    ),
    "limits multiply with the depth": meeting(
        Scenario(under("", under("s", a("s/a"), intensity=2), intensity=3)),
        tuple(("s/a", number, "crash") for number in range(1, 20)),
    ),
}

# A restart that fails.
for strategy in (ONE, ALL, REST):
    RULES |= {
        f"{strategy}: the dead child fails to start, twice": meeting(
            one_by_one(abc(strategy), dies("b")), fates("b", None, FAIL, FAIL)
        ),
        f"{strategy}: the oldest fails to start": meeting(
            one_by_one(abc(strategy), dies("b"), dies("a")), fates("a", None, FAIL, FAIL)
        ),
        f"{strategy}: the youngest fails to start": meeting(
            one_by_one(abc(strategy), dies("b"), dies("c")), fates("c", None, FAIL, FAIL)
        ),
        f"{strategy}: it fails until the limit": meeting(
            one_by_one(abc(strategy, intensity=3), dies("b")),
            fates("b", None, *[FAIL] * 9),
        ),
        f"{strategy}: another dies before it is tried again": meeting(
            at_once(abc(strategy), dies("b"), dies("a"), dies("c")),
            fates("b", None, FAIL, FAIL),
        ),
        f"{strategy}: one before it dies, so that two notes to try again wait": meeting(
            at_once(abc(strategy), dies("b"), dies("a")), fates("b", None, *[FAIL] * 4)
        ),
        f"{strategy}: calls are served before it is tried again": meeting(
            at_once(
                abc(strategy, c=TRANSIENT),
                dies("b"),
                stop("a"),
                start("b"),
                delete("b"),
                Add(a("b")),
                start("c"),
            ),
            fates("b", None, FAIL, FAIL),
        ),
        f"{strategy}: stopped while its restart is pending": meeting(
            at_once(abc(strategy), dies("b"), stop("b")), fates("b", None, FAIL, FAIL)
        ),
        f"{strategy}: stopped and started while its restart is pending": meeting(
            at_once(abc(strategy), dies("b"), stop("b"), start("b")), fates("b", None, FAIL)
        ),
        f"{strategy}: one after it is started while its restart is pending": meeting(
            at_once(abc(strategy), dies("b"), start("c"), dies("a", NORMAL)),
            fates("b", None, FAIL, FAIL),
        ),
        f"{strategy}: nothing to run at the restart": meeting(
            one_by_one(abc(strategy), dies("b"), dies("a")), fates("b", None, IGNORE, IGNORE)
        ),
        f"{strategy}: siblings have nothing to run at the restart": meeting(
            one_by_one(abc(strategy, a=TRANSIENT, c=TEMPORARY), dies("b"), dies("b")),
            fates("a", None, IGNORE),
            fates("c", None, IGNORE),
        ),
    }

# Not a restart.
RULES |= {
    "the first start fails: what is up is stopped, the youngest first": meeting(
        Scenario(under("", a("a"), under("s", a("s/a"), a("s/b")), a("c"), a("d"))),
        fates("c", FAIL),
    ),
    "the first start of a nested supervisor fails": meeting(
        Scenario(under("", a("a"), under("s", a("s/a"), a("s/b")))), fates("s/b", FAIL)
    ),
    "nothing to run at the first start": meeting(
        one_by_one(abc(ONE, b=TEMPORARY), start("a"), start("b"), Add(a("b"))),
        fates("a", IGNORE),
        fates("b", IGNORE),
    ),
    "an added child that fails to start is discarded": meeting(
        one_by_one(abc(ONE), Add(a("d")), start("d"), Add(a("d"))), fates("d", FAIL)
    ),
    "a child started by hand that fails is kept": meeting(
        one_by_one(abc(ONE), stop("b"), start("b"), start("b")), fates("b", None, FAIL)
    ),
    "a child started by hand has nothing to run": meeting(
        one_by_one(abc(ONE), stop("b"), start("b"), start("b")), fates("b", None, IGNORE)
    ),
    "nested supervisors start and stop in order": one_by_one(
        under("", a("a"), under("s", a("s/a"), a("s/b")), a("c"), intensity=1),
        dies("a"),
        dies("c"),
    ),
}
for restart in Restart:
    RULES |= {
        f"an added {restart} child has nothing to run": meeting(
            one_by_one(abc(ALL), Add(a("d", restart)), start("d"), delete("d"), dies("a")),
            fates("d", IGNORE),
        ),
        f"an added {restart} child has nothing to run, and then fails": meeting(
            one_by_one(abc(ONE), Add(a("d", restart)), start("d"), start("d")),
            fates("d", IGNORE, FAIL),
        ),
    }

# Giving up, seen from above.
for strategy, restart in product((ONE, ALL, REST), Restart):
    RULES[f"{strategy}: a {restart} supervisor gives up"] = Scenario(
        under(
            "",
            a("a"),
            under("s", a("s/a"), a("s/b"), intensity=0, restart=restart),
            a("c"),
            strategy=strategy,
            intensity=1,
        ),
        batches=(Batch("s", (dies("s/a"),)), Batch("s", (dies("s/b"),)), Batch("", (dies("a"),))),
    )
RULES |= {
    "a restarted supervisor begins with its initial list": Scenario(
        under("", under("s", a("s/a"), a("s/b"), a("s/c", TEMPORARY), intensity=1)),
        batches=(
            Batch("s", (Add(a("s/d")), stop("s/b"), delete("s/b"), dies("s/c"))),
            Batch("s", (dies("s/a"), dies("s/a"))),
            Batch("s", (dies("s/a"),)),
        ),
    ),
    "a restarted supervisor fails to start, and is tried again": Scenario(
        under("", a("a"), under("s", a("s/a"), a("s/b"), intensity=0), a("c"), strategy=REST),
        fates("s/b", None, FAIL, FAIL),
        (Batch("s", (dies("s/a"),)),),
    ),
    "calls that wait when a supervisor gives up are not answered": at_once(
        abc(ONE, intensity=0), stop("a"), dies("b"), stop("c"), start("a")
    ),
}

# Significant children.
for auto, restart, kind in product((ANY, EVERY), (TRANSIENT, TEMPORARY), ExitKind):
    children = (a("a", restart, True), a("b"), a("c", restart, True), a("d", restart))
    RULES[f"{auto}: {restart} children end, {kind}"] = one_by_one(
        under("", *children, auto=auto), dies("d", kind), dies("a", kind), dies("c", kind)
    )
for auto, strategy in product((ANY, EVERY), (ONE, ALL, REST)):
    children = (a("a"), a("b", TEMPORARY, True), a("c", TRANSIENT, True), a("d", TRANSIENT, True))
    tree = under("", *children, strategy=strategy, auto=auto)
    RULES |= {
        f"{auto}, {strategy}: stopped by hand is no end": one_by_one(
            tree, stop("b"), stop("c"), dies("d", NORMAL)
        ),
        f"{auto}, {strategy}: stopped because of a sibling is no end": one_by_one(
            tree, dies("a"), dies("c", SHUTDOWN), dies("d", SHUTDOWN)
        ),
        f"{auto}, {strategy}: it ends while its group is stopped": at_once(
            tree, dies("a"), dies("b", NORMAL), dies("c", NORMAL), dies("d", NORMAL)
        ),
        f"{auto}, {strategy}: it ends just before its group is stopped": at_once(
            tree, dies("b", NORMAL), dies("a")
        ),
        f"{auto}, {strategy}: one whose restart is pending is alive": meeting(
            at_once(tree, dies("c"), dies("b"), dies("d", NORMAL)),
            fates("c", None, FAIL, FAIL, FAIL),
        ),
        f"{auto}, {strategy}: nothing to run is no end": meeting(
            at_once(tree, stop("b"), stop("d"), dies("c")), fates("c", None, IGNORE)
        ),
    }
for restart in Restart:
    RULES[f"a {restart} supervisor shuts itself down"] = Scenario(
        under("", a("a"), under("s", a("s/a", TEMPORARY, True), auto=ANY, restart=restart)),
        batches=(Batch("s", (dies("s/a"),)), Batch("s", (dies("s/a"),))),
    )
RULES |= {
    "a significant supervisor that gives up": Scenario(
        under(
            "",
            a("a"),
            under("s", a("s/a"), intensity=0, restart=TRANSIENT, significant=True),
            auto=ANY,
        ),
        batches=(Batch("s", (dies("s/a"),)),),
    ),
    "no significant child where nothing shuts down": one_by_one(
        abc(ONE), Add(a("d", TRANSIENT, True)), Add(a("a", TRANSIENT, True))
    ),
}

# Each call for each state of a child.
STATES: dict[str, tuple[Move, ...]] = {  # and how b gets there
    "up": (),
    "stopped": (stop("b"),),
    "ended": (dies("b", NORMAL),),
    "restarting": (dies("b"),),
    "missing": (stop("b"), delete("b")),
}
for restart, (state, reach) in product(Restart, STATES.items()):
    tree = under("", a("a"), a("b", restart))
    asked: dict[str, Move] = {
        "terminate_child": stop("b"),
        "restart_child": start("b"),
        "delete_child": delete("b"),
        "start_child": Add(a("b")),
    }
    for name, call in asked.items():
        RULES[f"{name}, {restart}: {state}"] = meeting(
            at_once(tree, *reach, call, call), fates("b", None, FAIL, FAIL)
        )
RULES |= {
    "calls about a supervisor": Scenario(
        under("", a("a"), under("s", a("s/a"))),
        batches=(
            Batch("", (delete("s"), start("s"), stop("s"))),
            Batch("s", (dies("s/a"),)),
            Batch("", (start("s"), stop("s"), delete("s"), Add(under("s", a("s/b"))))),
            Batch("s", (dies("s/b"),)),
        ),
    ),
    "what was added can be asked for at once": at_once(
        abc(ONE), dies("a"), Add(a("d")), stop("d"), delete("d"), start("d")
    ),
    "a supervisor is added with what is under it, or not at all": meeting(
        one_by_one(abc(ONE), *[Add(under("s", a("s/a"), a("s/b"), a("s/c")))] * 2, dies("a")),
        fates("s/c", FAIL),
    ),
}

# Pools.
BOTH = (StartInstance("1"), StartInstance("2"))
for restart, kind in product(Restart, ExitKind):
    RULES[f"pool: a {restart} instance ends, {kind}"] = one_by_one(
        pool("", a("w", restart)), *BOTH, dies("w-1", kind), stop_instance("w-1")
    )
RULES |= {
    "pool: it begins empty": Scenario(pool("", a("w"))),
    "pool: no order, no deleting, no starting again": one_by_one(
        pool("", a("w")), *BOTH, start("w-1"), delete("w-2"), stop_instance("w-1")
    ),
    "pool: an instance that does not start is forgotten": meeting(
        one_by_one(pool("", a("w")), *BOTH), fates("w-1", FAIL), fates("w-2", IGNORE)
    ),
    "pool: every attempt costs one": meeting(
        one_by_one(pool("", a("w"), intensity=3), *BOTH, dies("w-1")),
        fates("w-1", None, *[FAIL] * 9),
    ),
    "pool: stopped while its restart is pending": meeting(
        Scenario(
            pool("", a("w")),
            batches=(Batch("", BOTH), Batch("", (dies("w-1"), stop_instance("w-1")))),
        ),
        fates("w-1", None, FAIL),
    ),
    "pool: an instance has nothing to run at the restart": meeting(
        one_by_one(pool("", a("w")), *BOTH, dies("w-1")), fates("w-1", None, IGNORE)
    ),
    "pool: two die at the same moment": Scenario(
        pool("", a("w"), intensity=2),
        batches=(Batch("", BOTH), Batch("", (dies("w-2"), dies("w-1"))), Batch("", (dies("w-1"),))),
    ),
    "pool: it gives up, and is empty when it is restarted": Scenario(
        under("", pool("p", a("p/w"), intensity=0), a("a")),
        batches=(
            Batch("p", (StartInstance("1"), StartInstance("2"))),
            Batch("p", (dies("p/w-1"),)),
            Batch("p", (StartInstance("3"),)),
        ),
    ),
    "pool: its instances are supervisors": Scenario(
        pool("", under("w", a("w/a"), a("w/b", TRANSIENT), strategy=ALL, intensity=1), intensity=1),
        batches=(
            Batch("", BOTH),
            Batch("w-1", (dies("w-1/a"),)),
            Batch("w-1", (dies("w-1/b", NORMAL), dies("w-1/a"))),
            Batch("w-1", (dies("w-1/a"), Add(a("w-1/c")))),
            Batch("", (stop_instance("w-2"),)),
        ),
    ),
}
for how in ShutdownKind:
    three = [ActorSpec(name, "x.wasm", shutdown=Shutdown(how)) for name in "abc"]
    RULES[f"{how}: a group stops the youngest first, and so does a supervisor"] = one_by_one(
        under("", *three, strategy=ALL, intensity=1), dies("b"), dies("b")
    )
