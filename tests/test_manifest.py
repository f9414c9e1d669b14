"""What a good manifest means."""

import subprocess
import sys

import pytest

from theater.manifest import parse
from theater.spec import (
    MIB,
    ActorSpec,
    Durability,
    Handler,
    Limits,
    MailboxBounds,
    OnFull,
    OnRestart,
    Restart,
    Shutdown,
    ShutdownKind,
    Strategy,
    SupervisorSpec,
    SystemSpec,
)

FULL = """
name = "shop"
durability = "process"
head_every = "5m"

[supervisor]
strategy = "one_for_one"
intensity = 0
period = 1.5

[limits]
message_max = "1MiB"
state_max = 2_000_000
compile_memory = "1.5GiB"
compile_timeout = "1m"

[[child]]
name = "counter"
component = "wasm/counter.wat"
restart = "transient"
on_restart = "init"
shutdown = "500ms"
initial_state = "zwölf"
env = { A = "b" }
args = ["x", ""]
request_timeout = 2
state_every = 12

[[child.handler]]
type = "runtime"

[[child.handler]]
type = "message-server"
send_to = ["counter", "pool/*"]

[child.limits]
memory = "64KiB"
fuel = 1_000
turn_timeout = "2s"
turn_bytes = "10MB"
start_timeout = 3
max_deliveries = 1

[child.mailbox]
max_messages = 7
max_bytes = "512 KiB"
on_full = "reject"

[[child]]
name = "pool"
restart = "temporary"
shutdown = 9

[child.supervisor]
strategy = "one_for_one"
intensity = 1
period = "1h"

[[child.child]]
name = "worker-1"
component = "/opt/worker.wasm"

[[child.child]]
name = "inner"
[child.child.supervisor]
"""


def the_actor(toml: str) -> ActorSpec:
    """The spec of a child of a system, from the lines about it."""
    text = 'name = "s"\n[[child]]\nname = "a"\ncomponent = "a.wat"\n' + toml
    [actor] = parse(text, "/srv/theater.toml").root.actors()
    return actor


def test_every_key_arrives_where_it_belongs() -> None:
    assert parse(FULL, "/srv/theater.toml") == SystemSpec(
        name="shop",
        durability=Durability.PROCESS,
        head_every_s=300.0,
        message_max_bytes=MIB,
        state_max_bytes=2_000_000,
        compile_memory_bytes=1536 * MIB,
        compile_timeout_s=60.0,
        root=SupervisorSpec(
            path="",
            strategy=Strategy.ONE_FOR_ONE,
            intensity=0,
            period_s=1.5,
            children=(
                ActorSpec(
                    path="counter",
                    component="/srv/wasm/counter.wat",
                    restart=Restart.TRANSIENT,
                    on_restart=OnRestart.INIT,
                    shutdown=Shutdown(timeout_s=0.5),
                    initial_state="zwölf".encode(),
                    handlers=(
                        Handler("runtime"),
                        Handler("message-server", {"send_to": ["counter", "pool/*"]}),
                    ),
                    env={"A": "b"},
                    args=("x", ""),
                    limits=Limits(64 * 1024, 1000, 2.0, 10_000_000, 3.0, 1),
                    mailbox=MailboxBounds(7, 512 * 1024, OnFull.REJECT),
                    request_timeout_s=2.0,
                    state_every=12,
                    where="child[0]",
                ),
                SupervisorSpec(
                    path="pool",
                    intensity=1,
                    period_s=3600.0,
                    restart=Restart.TEMPORARY,
                    shutdown=Shutdown(timeout_s=9.0),
                    where="child[1]",
                    children=(
                        ActorSpec(
                            path="pool/worker-1",
                            component="/opt/worker.wasm",
                            where="child[1].child[0]",
                        ),
                        SupervisorSpec(path="pool/inner", where="child[1].child[1]"),
                    ),
                ),
            ),
        ),
    )


def test_what_is_not_said_is_the_default_of_the_spec() -> None:
    text = 'name = "s"\n[[child]]\nname = "a"\ncomponent = "a.wat"'
    actor = ActorSpec(path="a", component="/srv/a.wat", where="child[0]")
    root = SupervisorSpec(path="", children=(actor,))
    assert parse(text, "/srv/theater.toml") == SystemSpec(name="s", root=root)


def test_bytes_and_text_mean_the_same_also_with_a_byte_order_mark_and_crlf() -> None:
    text = FULL.replace("\n", "\r\n")
    expected = parse(FULL, "/srv/m.toml")
    assert parse(text, "/srv/m.toml") == expected
    assert parse(b"\xef\xbb\xbf" + text.encode(), "/srv/m.toml") == expected


@pytest.mark.parametrize("text", ['name = "s"\n[supervisor]', 'name = "s"\nchild = []'])
def test_a_system_may_be_empty(text: str) -> None:
    assert parse(text, "m").root.children == ()


DEFAULTS = """
name = "s"
[defaults]
restart = "temporary"
on_restart = "init"
shutdown = "brutal_kill"
request_timeout = 1
state_every = 3
[defaults.limits]
fuel = 5
turn_timeout = 6
[defaults.mailbox]
max_messages = 8
on_full = "reject"
[[child]]
name = "plain"
component = "a.wat"
[[child]]
name = "pool"
supervisor = {}
[[child.child]]
name = "own"
component = "a.wat"
restart = "transient"
on_restart = "resume"
shutdown = "infinity"
request_timeout = 2
state_every = 4
limits = { fuel = 7 }
mailbox = { on_full = "block" }
"""


def test_defaults_hold_key_by_key_for_actors_that_say_nothing() -> None:
    system = parse(DEFAULTS, "/m.toml")
    plain, own = system.root.actors()
    assert plain.restart is Restart.TEMPORARY
    assert (plain.on_restart, own.on_restart) == (OnRestart.INIT, OnRestart.RESUME)
    assert plain.shutdown.kind is ShutdownKind.BRUTAL_KILL
    assert plain.request_timeout_s == 1.0
    assert (plain.state_every, own.state_every) == (3, 4)
    assert plain.limits == Limits(fuel=5, turn_timeout_s=6.0)
    assert plain.mailbox == MailboxBounds(max_messages=8, on_full=OnFull.REJECT)
    assert own.restart is Restart.TRANSIENT
    assert own.shutdown.kind is ShutdownKind.INFINITY
    assert own.request_timeout_s == 2.0
    assert own.limits == Limits(fuel=7, turn_timeout_s=6.0)
    assert own.mailbox == MailboxBounds(max_messages=8, on_full=OnFull.BLOCK)


def test_defaults_are_for_actors_and_leave_supervisors_alone() -> None:
    pool = parse(DEFAULTS, "/m.toml").root.children[1]
    assert isinstance(pool, SupervisorSpec)
    assert pool == SupervisorSpec(path="pool", where="child[1]", children=pool.children)


SINGLE = """
name = "counter"
version = "0.1.0"
package = "counter.wasm"
initial_state = "7"

[[handler]]
type = "runtime"
"""


def test_a_manifest_of_one_actor_is_a_system_of_the_same_name() -> None:
    actor = ActorSpec(
        path="counter",
        component="/srv/counter.wasm",
        initial_state=b"7",
        handlers=(Handler("runtime"),),
    )
    root = SupervisorSpec(path="", children=(actor,))
    assert parse(SINGLE, "/srv/m.toml") == SystemSpec(name="counter", root=root)


def test_one_actor_may_have_all_that_a_child_and_the_system_have() -> None:
    more = """
        durability = "process"
        restart = "temporary"
        shutdown = 1
        args = ["a"]
        env = { X = "y" }
        request_timeout = 3
        [limits]
        memory = "1MiB"
        state_max = 10
        [mailbox]
        max_messages = 1
        [supervisor]
        intensity = 9
    """
    system = parse('name = "a"\npackage = "a.wasm"\n' + more, "/m.toml")
    [actor] = system.root.actors()
    assert system.durability is Durability.PROCESS
    assert system.state_max_bytes == 10
    assert system.root.intensity == 9
    assert actor.limits == Limits(memory_bytes=MIB)
    assert actor.mailbox == MailboxBounds(max_messages=1)
    assert (actor.restart, actor.shutdown) == (Restart.TEMPORARY, Shutdown(timeout_s=1.0))
    assert (actor.args, actor.env, actor.request_timeout_s) == (("a",), {"X": "y"}, 3.0)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("65536", 65536),
        ('"64KiB"', 65536),
        ('"65536B"', 65536),
        ('"64 KiB"', 65536),
        ('"100KB"', 100_000),
        ('"100kB"', 100_000),
        ('"10MB"', 10_000_000),
        ('"64MiB"', 64 * MIB),
        ('"1GiB"', 1024 * MIB),
        ('"1.5GiB"', 1536 * MIB),
        ('"1GB"', 10**9),
        ('"1TiB"', 1024 * 1024 * MIB),
    ],
)
def test_sizes_are_bytes_or_have_a_unit(written: str, size: int) -> None:
    assert the_actor(f"limits = {{ memory = {written} }}").limits.memory_bytes == size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5", 5.0),
        ("0.25", 0.25),
        ('"500ms"', 0.5),
        ('"2s"', 2.0),
        ('"2.5 s"', 2.5),
        ('"1m"', 60.0),
        ('"2h"', 7200.0),
        ("2000000", 2_000_000.0),
    ],
)
def test_durations_are_seconds_or_have_a_unit(written: str, seconds: float) -> None:
    assert the_actor(f"request_timeout = {written}").request_timeout_s == seconds
    assert the_actor(f"shutdown = {written}").shutdown == Shutdown(timeout_s=seconds)


@pytest.mark.parametrize("written", ["0", "0.0", "-0.0", '"0s"'])
def test_a_child_may_be_given_no_time_to_stop(written: str) -> None:
    assert str(the_actor(f"shutdown = {written}").shutdown.timeout_s) == "0.0"


@pytest.mark.parametrize("word", ["brutal_kill", "infinity"])
def test_shutdown_takes_erlangs_words(word: str) -> None:
    assert the_actor(f'shutdown = "{word}"').shutdown == Shutdown(ShutdownKind(word))


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ('""', b""),
        ('"ü\\u0000"', b"\xc3\xbc\0"),
        ('{ base64 = "AAEC/w==" }', b"\0\1\2\xff"),
        ('{ base64 = "AAEC\\n/w==\\n" }', b"\0\1\2\xff"),
        ('{ hex = "00 ffAB" }', b"\0\xff\xab"),
        ('{ json = { b = [1, 2.5, true], a = "ü" } }', '{"b":[1,2.5,true],"a":"ü"}'.encode()),
        ('{ json = "x" }', b'"x"'),
        ("{ json = [] }", b"[]"),
    ],
)
def test_an_initial_state_is_text_or_bytes_in_some_notation(written: str, state: bytes) -> None:
    assert the_actor(f"initial_state = {written}").initial_state == state


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a.wasm", "/srv/x/a.wasm"),
        ("./a.wasm", "/srv/x/a.wasm"),
        ("wasm//a.wasm", "/srv/x/wasm/a.wasm"),
        ("../a.wasm", "/srv/x/../a.wasm"),  # x may be a link: only the kernel knows what .. is
        ("/abs/a b.wat", "/abs/a b.wat"),
    ],
)
def test_a_component_is_found_beside_the_manifest(written: str, path: str) -> None:
    text = f'name = "s"\npackage = "{written}"'
    [actor] = parse(text, "/srv/x/m.toml").root.actors()
    assert actor.component == path


def test_text_with_many_dots_is_only_text() -> None:
    dots = "1." * 200 + "2"
    actor = the_actor(f'args = ["{dots}", \'{dots}\']\ninitial_state = """see {dots}"""')
    assert actor.args == (dots, dots)
    assert actor.initial_state == f"see {dots}".encode()


def test_pydantic_is_not_imported_before_a_manifest_is_parsed() -> None:
    code = "import sys, theater.manifest; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
