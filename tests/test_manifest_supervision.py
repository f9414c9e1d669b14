"""Pools, significant children, automatic shutdown, backoff: what they mean, what goes together."""

import pytest

from tests.test_manifest_problems import problem, problems
from theater.manifest import parse
from theater.manifest_supervision import CHILDREN_MAX
from theater.spec import (
    ActorSpec,
    AutoShutdown,
    Backoff,
    Restart,
    Strategy,
    SupervisorSpec,
    SystemSpec,
)

A = '[[child]]\nname = "a"\ncomponent = "a.wat"\n'
B = A.replace('"a"', '"b"')
POOL = '[supervisor]\nstrategy = "simple_one_for_one"\n'


def system(text: str) -> SystemSpec:
    return parse(f'name = "s"\n{text}', "/srv/m.toml")


@pytest.mark.parametrize("word", Strategy)
def test_every_strategy_of_otp_is_understood(word: str) -> None:
    assert system(f'[supervisor]\nstrategy = "{word}"\n{A}').root.strategy == word


@pytest.mark.parametrize("word", AutoShutdown)
def test_every_kind_of_automatic_shutdown_is_understood(word: str) -> None:
    assert system(f'[supervisor]\nauto_shutdown = "{word}"\n{A}').root.auto_shutdown == word


@pytest.mark.parametrize(
    ("written", "backoff"),
    [
        ("base = 1", Backoff(1.0, 2.0, 60.0, 0.0, 60.0)),
        ("base = 60", Backoff(60.0, 2.0, 60.0, 0.0, 60.0)),
        ("base = 3, max = 3", Backoff(3.0, 2.0, 3.0, 0.0, 3.0)),
        ('base = 1, max = "10m"', Backoff(1.0, 2.0, 600.0, 0.0, 600.0)),
        (
            'base = "100ms", factor = 1.5, max = 9, jitter = 0.25, settled = "1m"',
            Backoff(0.1, 1.5, 9.0, 0.25, 60.0),
        ),
        ("base = 1, factor = 1, jitter = 1", Backoff(1.0, 1.0, 60.0, 1.0, 60.0)),
        ("base = 1, settled = 0.5", Backoff(1.0, 2.0, 60.0, 0.0, 0.5)),
    ],
)
def test_a_backoff_needs_only_a_base_and_settles_as_late_as_it_waits(
    written: str, backoff: Backoff
) -> None:
    assert system(f"[supervisor]\nbackoff = {{ {written} }}\n{A}").root.backoff == backoff


def test_without_a_backoff_there_is_none() -> None:
    assert system(f"[supervisor]\nperiod = 3\n{A}").root.backoff is None


def test_children_of_both_kinds_may_be_significant() -> None:
    root = system("""
        [supervisor]
        auto_shutdown = "all_significant"
        [[child]]
        name = "a"
        component = "a.wat"
        restart = "temporary"
        significant = true
        [[child]]
        name = "b"
        component = "b.wat"
        significant = false
        [[child]]
        name = "c"
        restart = "transient"
        significant = true
        [child.supervisor]
        auto_shutdown = "any_significant"
        [[child.child]]
        name = "d"
        component = "d.wat"
        restart = "transient"
        significant = true
    """).root
    c = root.children[2]
    assert [child.significant for child in root.children] == [True, False, True]
    assert isinstance(c, SupervisorSpec)
    assert (root.auto_shutdown, c.auto_shutdown) == ("all_significant", "any_significant")
    assert [child.significant for child in c.children] == [True]


def test_one_actor_may_take_the_system_down_when_it_ends() -> None:
    text = 'package = "a.wasm"\nrestart = "transient"\nsignificant = true\n'
    root = system(f'{text}[supervisor]\nauto_shutdown = "any_significant"').root
    assert [actor.significant for actor in root.actors()] == [True]


def test_what_defaults_say_of_restarts_holds_for_significant_actors() -> None:
    text = f'[supervisor]\nauto_shutdown = "any_significant"\n{A}significant = true\n'
    [actor] = system(text + '[defaults]\nrestart = "transient"').root.actors()
    assert (actor.restart, actor.significant) == (Restart.TRANSIENT, True)


def test_a_pool_begins_with_instances_of_its_template() -> None:
    pool = system("""
        [[child]]
        name = "pool"
        [child.supervisor]
        strategy = "simple_one_for_one"
        intensity = 7
        instances = 2
        [[child.child]]
        name = "worker"
        component = "w.wat"
        args = ["x"]
    """).root.children[0]
    template = ActorSpec("pool/worker", "/srv/w.wat", args=("x",), where="child[0].child[0]")
    assert pool == SupervisorSpec(
        path="pool",
        strategy=Strategy.SIMPLE_ONE_FOR_ONE,
        intensity=7,
        template=template,
        children=(
            ActorSpec("pool/worker-1", "/srv/w.wat", args=("x",), where="child[0].child[0]"),
            ActorSpec("pool/worker-2", "/srv/w.wat", args=("x",), where="child[0].child[0]"),
        ),
        where="child[0]",
    )


@pytest.mark.parametrize(("line", "count"), [("", 0), ("instances = 0", 0), ("instances = 3", 3)])
def test_the_whole_system_may_be_a_pool(line: str, count: int) -> None:
    root = system(f"{POOL}{line}\n{A}").root
    assert root.template is not None and root.template.path == "a"
    assert [actor.path for actor in root.actors()] == [f"a-{n + 1}" for n in range(count)]
    assert root.written == (root.template,)


def test_a_template_may_be_a_supervisor_and_even_a_pool() -> None:
    root = system("""
        [supervisor]
        strategy = "simple_one_for_one"
        instances = 2
        [[child]]
        name = "shard"
        [child.supervisor]
        strategy = "simple_one_for_one"
        instances = 2
        [[child.child]]
        name = "w"
        component = "w.wat"
    """).root
    assert [actor.path for actor in root.actors()] == [
        "shard-1/w-1",
        "shard-1/w-2",
        "shard-2/w-1",
        "shard-2/w-2",
    ]
    assert [child.path for child in root.all_written()] == ["shard", "shard/w"]
    first = root.children[0]
    assert isinstance(first, SupervisorSpec) and first.template is not None
    assert first.template.path == "shard-1/w"


def test_a_pool_may_begin_with_ten_thousand() -> None:
    assert len(system(f"{POOL}instances = 10_000\n{A}").root.children) == 10_000


SAY_TRANSIENT = 'say restart = "transient" (back after a crash only) or "temporary" (never back)'
UNDER_ANY = f'[supervisor]\nauto_shutdown = "any_significant"\n{A}significant = true\n'


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("", 'restart = "permanent" (the default)'),
        ('restart = "permanent"', 'restart = "permanent"'),
        ('[defaults]\nrestart = "permanent"', 'restart = "permanent" of [defaults]'),
    ],
)
def test_a_significant_child_may_not_be_permanent(line: str, source: str) -> None:
    assert problem(f'name = "s"\n{UNDER_ANY}{line}') == (
        "child[0].significant: the end of a significant child shuts its supervisor down, but "
        f"{source} brings it back however it ends; {SAY_TRANSIENT}"
    )


def test_defaults_make_no_supervisor_transient() -> None:
    text = """
        name = "s"
        defaults = { restart = "transient" }
        [supervisor]
        auto_shutdown = "any_significant"
        [[child]]
        name = "p"
        significant = true
        supervisor = {}
    """
    assert problem(text).startswith("child[0].significant: the end of a significant child shuts")


@pytest.mark.parametrize("line", ["", '[supervisor]\nauto_shutdown = "never"\n'])
def test_a_significant_child_needs_a_supervisor_that_heeds_it(line: str) -> None:
    text = f'name = "s"\n{line}{A}restart = "transient"\nsignificant = true\n'
    assert problem(text) == (
        'child[0].significant: means nothing while supervisor.auto_shutdown is "never" (the '
        'default): set that to "any_significant" or "all_significant", or take significant away'
    )


def test_the_supervisor_that_does_not_heed_it_is_named() -> None:
    text = 'name = "s"\n[supervisor]\nauto_shutdown = "any_significant"\n[[child]]\nname = "p"\n'
    text += '[[child.child]]\nname = "a"\ncomponent = "a"\nrestart = "temporary"\n'
    assert problem(text + "significant = true").startswith(
        "child[0].child[0].significant: means nothing while child[0].supervisor.auto_shutdown is "
    )
    single = 'name = "s"\npackage = "a"\nrestart = "temporary"\nsignificant = true'
    assert problem(single).startswith("significant: means nothing while supervisor.auto_shutdown")


def test_both_reasons_against_a_significant_child_are_told() -> None:
    text = f'name = "s"\n{A}significant = true\n'
    assert [found.path for found in problems(text)] == ["child[0].significant"] * 2


@pytest.mark.parametrize("word", ["any_significant", "all_significant"])
def test_a_pool_never_shuts_down_by_itself(word: str) -> None:
    assert problem(f'name = "s"\n{POOL}auto_shutdown = "{word}"\n{A}') == (
        f'supervisor.auto_shutdown: found "{word}"; a pool (simple_one_for_one) never shuts down '
        "by itself: take auto_shutdown away or choose another strategy"
    )


def test_a_pool_may_say_that_it_never_shuts_down_by_itself() -> None:
    assert system(f'{POOL}auto_shutdown = "never"\n{A}').root.template is not None


def test_instances_cannot_be_significant() -> None:
    text = f'name = "s"\n{POOL}{A}restart = "temporary"\nsignificant = true'
    assert problem(text) == (
        "child[0].significant: a pool (simple_one_for_one) never shuts down by itself, so its "
        "instances cannot be significant: take significant away"
    )


EXACTLY_ONE = "exactly one [[{}]], the template that all its instances are made from"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POOL, "missing: a pool (simple_one_for_one) has "),
        (f"child = []\n{POOL}", "missing: a pool (simple_one_for_one) has "),
        (f"{POOL}{A}{B}", "found 2 children; a pool (simple_one_for_one) has "),
    ],
)
def test_a_pool_has_exactly_one_template(text: str, expected: str) -> None:
    assert problem(f'name = "s"\n{text}') == f"child: {expected}{EXACTLY_ONE.format('child')}"


def test_a_nested_pool_is_told_the_header_of_its_template() -> None:
    text = 'name = "s"\n[[child]]\nname = "p"\nsupervisor = { strategy = "simple_one_for_one" }'
    expected = EXACTLY_ONE.format("child.child")
    assert problem(text) == f"child[0].child: missing: a pool (simple_one_for_one) has {expected}"


@pytest.mark.parametrize(
    "line", ["", *(f'strategy = "{word}"' for word in list(Strategy) if "simple" not in word)]
)
def test_only_a_pool_has_instances(line: str) -> None:
    assert problem(f'name = "s"\n[supervisor]\n{line}\ninstances = 2\n{A}') == (
        "supervisor.instances: only a pool has instances; "
        'take it away or say strategy = "simple_one_for_one"'
    )


AS_SYSTEM = "for a pool write the actor as a [[child]], with component instead of package"


def test_one_actor_is_no_pool() -> None:
    single = 'name = "s"\npackage = "a.wat"\n'
    assert problem(f"{single}{POOL}instances = 2") == (
        f'supervisor.strategy: "simple_one_for_one" makes many actors of one template; {AS_SYSTEM}'
    )
    assert problem(f"{single}supervisor = {{ instances = 2 }}") == (
        "supervisor.instances: only a pool has instances; "
        f'{AS_SYSTEM}, under strategy = "simple_one_for_one"'
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("base = 2, max = 1", "max: found 1; cannot be less than base (2 s)"),
        ('base = "1m", max = "500ms"', 'max: found "500ms"; cannot be less than base (60 s)'),
        (
            "base = 61",
            "base: found 61; cannot be more than max, which is 60 s where nothing else is said: "
            "add a max",
        ),
    ],
)
def test_a_backoff_does_not_begin_above_its_end(written: str, expected: str) -> None:
    text = f'name = "s"\n{A}[supervisor]\nbackoff = {{ {written} }}'
    assert problem(text) == f"supervisor.backoff.{expected}"
    nested = f'name = "s"\n[[child]]\nname = "p"\nsupervisor = {{ backoff = {{ {written} }} }}'
    assert problem(nested) == f"child[0].supervisor.backoff.{expected}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("backoff = 5", "backoff: found 5; must be a table, as in { base = 1, max = 60 }"),
        ('strategy = "one_for_al"', 'strategy: found "one_for_al"; did you mean "one_for_all"?'),
        ('strategy = "pool"', 'strategy: found "pool"; allowed: one_for_one, one_for_all, rest_'),
        ('auto_shutdown = "any"', 'auto_shutdown: found "any"; allowed: never, any_significant, '),
        ("auto_shutdown = true", "auto_shutdown: found true; allowed: never, any_significant, al"),
        ("backoff.factor = 0.5\nbackoff.base = 1", "backoff.factor: found 0.5; must be a number "),
        ("instances = 10_001", "instances: found 10001; must be a whole number from 0 to 10000"),
    ],
)
def test_the_sentence_helps(line: str, expected: str) -> None:
    assert problem(f'name = "s"\n{A}[supervisor]\n{line}').startswith(f"supervisor.{expected}")


def test_a_value_that_is_wrong_by_itself_is_told_once() -> None:
    text = f"""
        name = "s"
        [supervisor]
        strategy = "one_for_al"
        auto_shutdown = "any"
        instances = -1
        backoff = {{ base = 0, max = -1 }}
        {A}
        restart = "never"
        significant = true
    """
    assert [found.path for found in problems(text)] == [
        "supervisor.strategy",
        "supervisor.auto_shutdown",
        "supervisor.instances",
        "supervisor.backoff.base",
        "supervisor.backoff.max",
        "child[0].restart",
    ]


def test_the_address_of_every_instance_has_to_fit() -> None:
    name = "x" * 249
    assert system(POOL + A.replace('"a"', f'"{name}"')).root.template is not None
    text = 'name = "s"\n' + POOL + A.replace('"a"', f'"{name}x"')
    assert problem(text) == (
        f'child[0].name: the address of instance 10000: "{"x" * 40}..." has 256 bytes; '
        "an address has at most 255"
    )


def test_the_address_of_what_is_in_an_instance_has_to_fit_too() -> None:
    def shard(name: str) -> str:
        head = f'name = "s"\n{POOL}[[child]]\nname = "{"x" * 120}"\nsupervisor = {{}}\n'
        return f'{head}[[child.child]]\nname = "{name}"\ncomponent = "a.wat"\n'

    parse(shard("y" * 128), "m.toml")
    found = problem(shard("y" * 129))
    assert found.startswith("child[0].child[0].name: ")
    assert found.endswith(" has 256 bytes; an address has at most 255")


def nested_pools(outer: int, inner: int) -> str:
    pool = 'strategy = "simple_one_for_one"\ninstances ='
    return f"""
        name = "s"
        [supervisor]
        {pool} {outer}
        [[child]]
        name = "shard"
        [child.supervisor]
        {pool} {inner}
        [[child.child]]
        name = "w"
        component = "w.wat"
    """


def test_pools_in_pools_begin_with_so_many_and_no_more() -> None:
    assert len(list(parse(nested_pools(10, 9_999), "m").root.actors())) == 99_990
    assert problem(nested_pools(10, 10_000)) == (
        "supervisor.instances: 10 instances, with all that is in them, make 100010 actors and "
        f"supervisors; a system begins with at most {CHILDREN_MAX}"
    )
    assert problem(nested_pools(10_000, 10_000)).startswith("supervisor.instances: 10000 inst")


def test_all_pools_together_begin_with_so_many_and_no_more() -> None:
    def pools(count: int) -> str:
        pool = 'strategy = "simple_one_for_one", instances = 9_999'
        child = 'child = [{ name = "w", component = "w.wat" }]'
        tables = (
            f'[[child]]\nname = "p{n}"\nsupervisor = {{ {pool} }}\n{child}\n' for n in range(count)
        )
        return 'name = "s"\n' + "".join(tables)

    parse(pools(10), "m")
    assert problem(pools(11)) == (
        "makes 110000 actors and supervisors, the instances of pools counted; "
        "a system begins with at most 100000"
    )


# Planned restarts


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ('recycle_turns = 5\non_restart = "init"\n', "recycle_turns = 5 plans"),
        ('on_restart = "init"\n', "recycle_turns = 7 of [defaults] plans"),
    ],
)
def test_a_planned_restart_may_not_cost_the_state(keys: str, place: str) -> None:
    defaults = "[defaults]\nrecycle_turns = 7\n" if "recycle" not in keys else ""
    told = problem(f'name = "s"\n{defaults}{A}{keys}')
    key = "recycle_turns" if "recycle" in keys else "on_restart"
    assert told.startswith(f"child[0].{key}: {place}")
    assert told.endswith('say on_restart = "resume" or recycle_turns = 0 (never)')


def test_who_says_never_is_never_recycled_whatever_the_default() -> None:
    text = f"[defaults]\nrecycle_turns = 7\n{A}recycle_turns = 0\non_restart = 'init'\n{B}"
    a, b = system(text).root.actors()
    assert (a.recycle_turns, b.recycle_turns) == (0, 7)
    assert next(system(A).root.actors()).recycle_turns == 0
