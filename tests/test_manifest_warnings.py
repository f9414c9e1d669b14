"""Manifests that are right and still unwise, and others that look alike and are not."""

import pytest

from theater.manifest import parse
from theater.manifest_warnings import warnings

CHILD = '[[child]]\nname = "{name}"\ncomponent = "a.wat"\nshutdown = {shutdown}\n'


def warned(text: str) -> list[str]:
    return [str(problem) for problem in warnings(parse(f'name = "s"\n{text}', "m.toml"))]


def system(supervisor: str, *shutdowns: str) -> str:
    """A system with a child for each shutdown: a, b, c ..."""
    children = (
        CHILD.format(name="abcdef"[at], shutdown=shutdown) for at, shutdown in enumerate(shutdowns)
    )
    return f"[supervisor]\n{supervisor}\n" + "".join(children)


ALL = 'strategy = "one_for_all"'
REST = 'strategy = "rest_for_one"'
SLOW = "stops siblings before a restart, for up to"


def test_a_restart_limit_that_cannot_be_reached_is_told_with_a_way_out() -> None:
    assert warned(system(ALL, "5", "5", "5")) == [
        "supervisor: one_for_all stops siblings before a restart, for up to 10 s, and period "
        "/ intensity is 1.67 s: if they are that slow to stop, a child that always crashes is "
        "restarted for ever and the limit of 3 restarts in 5 s is never reached; give the children "
        "a shorter shutdown or the supervisor a period of more than 30 s"
    ]


def test_following_the_advice_ends_the_warning() -> None:
    assert warned(system(ALL + "\nperiod = 31", "5", "5", "5")) == []
    assert warned(system(ALL + "\nperiod = 30", "5", "5", "5")) != []
    assert warned(system(ALL, "0.8", "0.8", "0.8")) == []


def test_otps_own_example_of_the_trap_is_found() -> None:
    text = system(ALL + "\nintensity = 1\nperiod = 1", "0", "2.1")
    [found] = warned(text + "[defaults]\nlimits.max_deliveries = 1")
    assert "for up to 2.1 s, and period / intensity is 1 s: " in found
    assert "the limit of 1 restart in 1 s is never reached" in found
    assert found.endswith("a period of more than 3 s")


@pytest.mark.parametrize(
    ("supervisor", "shutdowns", "stop"),
    [
        ('strategy = "one_for_one"', ["5", "5"], None),
        (ALL, ["5"], None),
        (ALL, ["1.6", "1.6"], None),
        (ALL, ["1.7", "1.6"], "1.7"),  # b crashes, a is stopped
        (ALL + "\nintensity = 5\nperiod = 10", ["1", "2"], "2"),  # 2 s and a start > 10 s / 5
        (ALL, ["1", "9", "2"], "11"),  # the quickest one crashes
        (ALL, ['"brutal_kill"', '"brutal_kill"', '"brutal_kill"'], None),
        (ALL, ["0", "0", "0"], None),
        (ALL, ['"brutal_kill"', "3"], "3"),
        (REST, ["9"], None),
        (REST, ["9", "1"], None),  # the first is never stopped for another
        (REST, ["9", "1", "2"], "3"),
        (REST, ["0", "5", "5"], "10"),
    ],
)
def test_the_time_is_that_of_the_siblings_that_a_restart_stops(
    supervisor: str, shutdowns: list[str], stop: str | None
) -> None:
    found = warned(system(supervisor, *shutdowns))
    assert len(found) == (stop is not None)
    assert all(f"{SLOW} {stop} s," in text for text in found)


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_a_supervisor_that_allows_no_restart_cannot_restart_for_ever(strategy: str) -> None:
    assert warned(system(f"{strategy}\nintensity = 0", "5", "5")) == []


def test_temporary_siblings_are_stopped_only_once() -> None:
    temporary = 'restart = "temporary"\n'
    assert warned(f"{system(ALL, '5', '1')}{temporary}") == []
    assert warned(f"{system(ALL, '1', '1', '5')}{temporary}") == []
    assert warned(f"{system(REST, '1', '5')}{temporary}") == []
    first_temporary = system(REST, "1") + temporary + CHILD.format(name="b", shutdown="5")
    assert warned(first_temporary) == []


def test_a_sibling_with_all_the_time_there_is_is_named() -> None:
    assert warned(system(REST, "1", '"infinity"')) == [
        'supervisor: rest_for_one stops siblings before a restart, and shutdown = "infinity" lets '
        "b take as long as it likes: whenever that is more than period / intensity (1.67 s), a "
        "child that always crashes is restarted for ever and the limit of 3 restarts in 5 s is "
        "never reached; give b a shutdown in seconds"
    ]
    assert warned(system(REST, '"infinity"', "1")) == []
    [both] = warned(system(ALL, '"infinity"', '"infinity"'))
    assert "lets b take" in both


def test_no_period_of_days_is_advised() -> None:
    [found] = warned(system(ALL, '"9h"', '"9h"'))
    assert "for up to 32400 s, " in found
    assert found.endswith("; give the children a shorter shutdown")


def nested(shutdown: str = "", supervisor: str = "") -> str:
    """A one_for_all of an actor and a supervisor with two children, of 1 s and 2 s."""
    child = CHILD.replace("[[child]]", "[[child.child]]")
    return (
        f"[supervisor]\n{ALL}\n"
        + CHILD.format(name="a", shutdown="0")
        + f'[[child]]\nname = "p"\n{shutdown}\nsupervisor = {{ {supervisor} }}\n'
        + child.format(name="b", shutdown="1")
        + child.format(name="c", shutdown="2")
    )


@pytest.mark.parametrize(
    ("shutdown", "stop"),
    [
        ("", "3"),
        ('shutdown = "infinity"', "3"),
        ("shutdown = 2.5", "2.5"),
        ("shutdown = 9", "3"),
        ("shutdown = 1", None),
        ('shutdown = "brutal_kill"', None),
    ],
)
def test_a_supervisor_takes_as_long_as_its_children_or_its_own_limit(
    shutdown: str, stop: str | None
) -> None:
    found = warned(nested(shutdown))
    assert len(found) == (stop is not None)
    assert all(f"{SLOW} {stop} s," in text for text in found)


def test_an_endless_actor_below_a_supervisor_is_named_unless_the_supervisor_has_a_limit() -> None:
    endless = nested().replace("shutdown = 2\n", 'shutdown = "infinity"\n')
    [found] = warned(endless)
    assert "lets p/c take as long as it likes" in found
    [found] = warned(endless.replace('name = "p"\n', 'name = "p"\nshutdown = 7\n'))
    assert f"{SLOW} 7 s," in found


@pytest.mark.parametrize("instances", [0, 1, 50])
def test_a_pool_stops_all_its_instances_at_once(instances: int) -> None:
    text = f"""
        [[child]]
        name = "p"
        [child.supervisor]
        strategy = "simple_one_for_one"
        instances = {instances}
        [[child.child]]
        name = "w"
        component = "w.wat"
        shutdown = 4
    """
    [found] = warned(system(ALL, "0") + text)
    assert f"{SLOW} 4 s," in found


def test_each_supervisor_is_judged_at_its_place() -> None:
    deep = nested(supervisor=ALL).replace("shutdown = 0\n", "shutdown = 1.5\n")
    outer, inner = warned(deep)
    assert outer.startswith(f"supervisor: one_for_all {SLOW} 3 s,")
    assert inner.startswith(f"child[1].supervisor: one_for_all {SLOW} 2 s,")
    pool = f"""
        [supervisor]
        strategy = "simple_one_for_one"
        instances = 3
        [[child]]
        name = "shard"
        supervisor = {{ {ALL} }}
        [[child.child]]
        name = "b"
        component = "b.wat"
        [[child.child]]
        name = "c"
        component = "c.wat"
    """
    [found] = warned(pool)
    assert found.startswith(f"child[0].supervisor: one_for_all {SLOW} 5 s,")


DELIVERIES = "limits.max_deliveries = "


def test_a_message_that_takes_the_supervisor_down_before_it_is_set_aside_is_told() -> None:
    assert warned(system("", "5") + DELIVERIES + "5") == [
        "supervisor: a message that kills its actor is delivered again until it has done so "
        "limits.max_deliveries times (a: 5), but 4 deaths within 5 s take the supervisor down "
        "before that; raise intensity to 5 or lower max_deliveries to 3"
    ]


@pytest.mark.parametrize(
    ("supervisor", "lines", "is_told"),
    [
        ("", "", False),  # the defaults fit
        ("", DELIVERIES + "3", False),
        ("", DELIVERIES + "4", True),
        ("intensity = 2", "", True),
        ("intensity = 2", DELIVERIES + "2", False),
        ("intensity = 4", DELIVERIES + "4", False),
        ("intensity = 0", "", False),
        ("", DELIVERIES + '4\nrestart = "transient"', True),
        ("", DELIVERIES + '4\nrestart = "temporary"', False),
        ("backoff = { base = 1 }", DELIVERIES + "4", False),  # 1 + 2 + 4 s > 5 s
        ("backoff = { base = 0.5 }", DELIVERIES + "4", True),
        ("backoff = { base = 1, jitter = 0.5 }", DELIVERIES + "4", True),
        ("backoff = { base = 1, max = 1.5 }", DELIVERIES + "4", True),
        ("backoff = { base = 2, factor = 1 }", DELIVERIES + "4", False),
        ("intensity = 2_000_000_000\nbackoff.base = 1", DELIVERIES + "2_100_000_000", False),
    ],
)
def test_deaths_are_compared_with_the_restarts_that_are_allowed(
    supervisor: str, lines: str, is_told: bool
) -> None:
    assert len(warned(system(supervisor, "5") + lines)) == is_told


def test_actors_of_one_supervisor_are_told_together() -> None:
    text = system("", "1", "1", "1", "1", "1") + "[defaults.limits]\nmax_deliveries = 7\n"
    [found] = warned(text)
    assert "(a: 7, b: 7, c: 7, and 2 more)" in found


def test_a_template_is_judged_for_all_its_instances() -> None:
    text = 'strategy = "simple_one_for_one"\nintensity = 1\ninstances = 20'
    [found] = warned(system(text, "5"))
    assert "times (a: 3), but 2 deaths within 5 s" in found


def test_what_nothing_is_said_about_is_no_cause_for_warnings() -> None:
    assert warned('package = "a.wat"') == []
    assert warned("child = []") == []
    assert warned(system("", "5", "5", "5")) == []


SENDS = """
[[child]]
name = "a"
component = "a.wat"
handler = [{{ type = "runtime" }}, {{ type = "message-server", send_to = [{to}] }}]
[[child]]
name = "shop"
supervisor = {{}}
[[child.child]]
name = "clerk"
component = "a.wat"
[[child.child]]
name = "pool"
supervisor = {{ strategy = "simple_one_for_one", instances = 1 }}
[[child.child.child]]
name = "w"
component = "a.wat"
"""


@pytest.mark.parametrize(
    "to", ["", '"a"', '"shop/clerk"', '"shop/pool/w-1"', '"shop/pool/w-9"', '"nope/*"', '"**"']
)
def test_addresses_that_somebody_has_or_may_get_are_fine(to: str) -> None:
    assert warned(SENDS.format(to=to)) == []


def test_an_address_that_nobody_has_is_told() -> None:
    assert warned(SENDS.format(to='"a", "shop/clark", "nobody", "shop", "shop/pool"')) == [
        'child[0].handler[1].send_to[1]: no actor of this manifest is called "shop/clark"; did you '
        'mean "shop/clerk"? it may still be added later',
        'child[0].handler[1].send_to[2]: no actor of this manifest is called "nobody"; it may '
        "still be added later",
        'child[0].handler[1].send_to[3]: "shop" is a supervisor, and takes no messages; say '
        '"shop/*" for its actors',
        'child[0].handler[1].send_to[4]: "shop/pool" is a supervisor, and takes no messages; say '
        '"shop/pool/*" for its actors',
    ]


def test_a_root_that_is_a_pool_has_everybody_to_come() -> None:
    text = SENDS.partition("[[child]]")[2].partition("[[child]]")[0].format(to='"a-7", "b"')
    pool = 'strategy = "simple_one_for_one"\ninstances = 1'
    assert warned(f"[supervisor]\n{pool}\n[[child]]{text}") == []


PATIENT = """
[[child]]
name = "a"
component = "a.wat"
limits = {{ turn_timeout = {turn} }}
handler = [{{ type = "wasi:http", allow = [{{ host = "a.example" }}], timeout = {timeout} }}]
"""


def test_patience_that_a_turn_has_not_is_told() -> None:
    assert warned(PATIENT.format(turn=30, timeout=30)) == []
    assert warned(PATIENT.format(turn=2, timeout=2.5)) == [
        "child[0].handler[0].timeout: 2.5 s are more than a turn may take (turn_timeout, 2 s):"
        " a request ends before that"
    ]
