"""Packages of Pack's in a worker: both ways of calling them, what they do wrong, what it costs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest
import wasmtime

from tests.worker.guests import FUEL, MIB, FakeHost, compiled, resident_bytes
from tests.worker.packages import ECHO, PROBE, RPC, composite, start
from theater.calls import ACTOR, CHILDREN, CLIENT, RUNTIME, TIMER_CLIENT
from theater.errors import ComponentError
from theater.pack.bridge import takes_one_tuple
from theater.pack.codec import decode, encode
from theater.pack.parsing import parse_function
from theater.pack.values import U32, Option, Value
from theater.worker.core import Core, PublicCore, QuickCore, is_quick
from theater.worker.export import call_export
from theater.worker.failure import Abort, GuestFailure
from theater.worker.guest import instantiate, is_module
from theater.worker.instance import Instance
from theater.worker.package import Package

EMPTY = encode(b"")
BOTH = pytest.mark.parametrize("core", [PublicCore, QuickCore])
ANSWERS: dict[str, Any] = {
    "log": None,
    "self": "pool/me",
    "request": {"ok": b"pong"},
    "store": {"ok": {"hash": "ab" * 32}},
    "get": {"ok": b"content"},
    "new": {"ok": "me:1:2"},
    "set-interval": {"ok": "name"},
    "spawn": {"ok": "me/kid"},
    "get-child-state": {"ok": b"a state"},
}


def answering(**others: Any) -> FakeHost:
    known = ANSWERS | {name.replace("_", "-"): each for name, each in others.items()}
    return FakeHost(lambda function, _args: known.get(function, {"ok": None}))


def ask(package: Package, command: bytes, state: bytes = EMPTY, fuel: int = FUEL) -> Any:
    return package.call(CLIENT, "handle-request", [state, ["id", command]], fuel)


def failure(call: Callable[[], Any]) -> GuestFailure:
    with pytest.raises(GuestFailure) as caught:
        call()
    return caught.value


def test_the_installed_wasmtime_has_the_quick_way() -> None:
    assert is_quick()


@BOTH
def test_a_composite_has_several_memories_and_is_called_by_the_one_it_exports(
    core: Callable[..., Core],
) -> None:
    package = start(composite(), core=core)
    for size in (0, 5, 5000):
        result, _ = ask(package, b"x" * size)
        assert result == {"ok": [EMPTY, [b"x" * size]]}
    assert failure(lambda: ask(package, b"x" * MIB)).kind == "trap"  # the part has no room


CALC = "test:calc/calc"


@BOTH
@pytest.mark.parametrize("function", ["old", "old-fail"])
def test_one_of_before_is_called_as_it_was_then(core: Callable[..., Core], function: str) -> None:
    package = start(RPC, core=core)
    state = encode("state")
    result, used = package.call(CALC, function, [state, [encode(("x", U32(7)))]], FUEL)
    returned, (answer,) = result["ok"]
    assert returned == state and decode(answer["ok"]) == ("x", U32(7))
    _, alone = package.call(CALC, "echo", [state, [encode((("x", U32(7)),))]], FUEL)
    assert used > alone  # it was asked twice
    _, known = package.call(CALC, function, [state, [encode(("x", U32(7)))]], FUEL)
    assert known < used  # once it is known, it is called so at once
    package = start(RPC, core=core)
    result, _ = package.call(CALC, function, [state, [encode((("x", U32(7)),))]], FUEL)
    assert decode(result["ok"][1][0]["ok"]) == ("x", U32(7))  # as packages are called now
    result, _ = package.call(CALC, function, [state, [encode(("x", U32(7)))]], FUEL)
    assert "not today" in str(result) or "refused: " in str(result)  # and it stays with that


def deep(levels: int) -> Value:
    value: Value = U32(1)
    for _ in range(levels - 1):
        value = Option(b"\x0d", value)
    return value


@pytest.mark.parametrize("function", ["echo", "old", "old-fail", "swap"])
@pytest.mark.parametrize("levels", [479, 480, 481, 511, 512])
def test_what_another_actor_gives_is_refused_before_it_is_too_deep_to_be_wrapped(
    function: str, levels: int
) -> None:
    package = start(RPC)
    result, _ = package.call(CALC, function, [encode("s"), [encode(deep(levels))]], FUEL)
    if levels > 480:
        text = f"refused: '{CALC}.{function}' cannot be called with that"
        assert result["ok"][1][0]["err"].startswith(text)
    elif not function.startswith("old"):
        _, (answer,) = result["ok"]
        assert "ok" in answer


def test_a_state_that_is_too_deep_to_be_wrapped_fails_the_turn_that_makes_it() -> None:
    package = start(RPC)
    result, _ = package.call(ACTOR, "init", [encode(deep(500)), ["a"]], FUEL)
    assert "cannot be kept: it is nested more than 480 deep" in result["err"]
    result, _ = package.call(ACTOR, "init", [encode(deep(512)), ["a"]], FUEL)
    assert result["err"].startswith(f"'{ACTOR}.init' cannot be called with that: ")


def test_a_second_attempt_counts_the_fuel_of_the_first() -> None:
    package = start(RPC)
    _, used = package.call(CALC, "old", [encode("s"), [encode("x")]], FUEL)
    with pytest.raises(GuestFailure) as caught:
        start(RPC).call(CALC, "old", [encode("s"), [encode("x")]], used - 50)
    assert caught.value.kind == "fuel" and caught.value.fuel == used - 50


def test_a_call_of_what_is_not_there_any_more_is_refused_and_no_failure() -> None:
    package = start(ECHO)
    result, used = call_export(package, CALC, "echo", [b"state", [b""]], FUEL)
    text = f"refused: what runs now does not export {CALC}.echo"
    assert (result, used) == ({"ok": [b"state", [{"err": text}]]}, 0)


def test_what_fails_both_ways_tells_what_it_said_as_it_is_called_now() -> None:
    package = start(RPC)
    state = encode("state")
    result, _ = package.call(CALC, "refuse", [state, [encode(())]], FUEL)
    assert "could not take the call: missing parameter" in result["ok"][1][0]["err"]
    with pytest.raises(GuestFailure) as caught:
        package.call(CALC, "spin", [state, [encode(())]], 100_000)
    assert caught.value.kind == "fuel"


@pytest.mark.parametrize(
    ("signature", "is_so"),
    [
        ("func(state: value, params: tuple<string, list<u8>>) -> value", True),
        ("func(state: value, params: tuple<>) -> value", True),
        ("func(state: value, params: value) -> value", False),
        ("func(state: value, id: string, body: list<u8>) -> value", False),
        ("func(state: value, id: string, at: tuple<u32, u32>) -> value", False),
        ("func(state: tuple<u32>) -> value", False),
    ],
)
def test_what_may_be_of_before_declares_one_tuple(signature: str, is_so: bool) -> None:
    assert takes_one_tuple(parse_function(signature)) is is_so


def test_a_package_that_has_called_the_host_is_not_called_again() -> None:
    """What it has done would be done twice."""
    wat = RPC.replace(
        "(func $is-old (param $in i32) (result i32)",
        """(func $is-old (param $in i32) (result i32)
    (drop (call $exports (i32.const 0x2040) (i32.const 29) (i32.const 0x20) (i32.const 0x24)))""",
    )
    data = "".join(f"\\{byte:02x}" for byte in encode("b"))
    wat = wat.replace(
        "  ;; The address of a node",
        f'  (data (i32.const 0x2040) "{data}")\n\n  ;; The address of a node',
    )
    host = FakeHost(lambda _function, _args: {"ok": []})
    package = start(wat, host)
    result, _ = package.call(CALC, "old-fail", [encode("s"), [encode("x")]], FUEL)
    assert result == {"err": "not today"} and len(host.calls) == 1


@BOTH
def test_exports_have_the_names_of_components(core: Callable[..., Core]) -> None:
    package = start(PROBE, core=core)
    assert package.exports == {
        (ACTOR, "init"),
        (CLIENT, "handle-send"),
        (CLIENT, "handle-request"),
        (TIMER_CLIENT, "handle-tick"),
        (CHILDREN, "handle-child-exit"),
        (CHILDREN, "handle-child-error"),
        (CHILDREN, "handle-child-external-stop"),
    }
    with pytest.raises(LookupError, match=r"does not export theater:simple/actor\.nope"):
        package.call(ACTOR, "nope", [None, []], FUEL)


@BOTH
def test_init_takes_no_parameter_and_the_state_that_a_manifest_says(
    core: Callable[..., Core],
) -> None:
    host = answering()
    package = start(PROBE, host, core)
    for state, begun in ((None, b""), (b"begun", b"begun"), (encode(b"kept"), b"kept")):
        result, _ = package.call(ACTOR, "init", [state, ["pool/me"]], FUEL)
        assert result == {"ok": [encode(begun)]}
    assert host.calls[0] == ("theater:simple/message-server-host", "register", [])


CALLS: list[tuple[bytes, str, list[Any], bytes]] = [
    (b"s b hello there", "send", ["b", b"hello there"], b""),
    (b"r b hi", "request", ["b", b"hi"], b"pong"),
    (b"p st content", "store", ["st", b"content"], b"ab" * 32),
    (b"f st abc", "get", ["st", {"hash": "abc"}], b"content"),
    (b"w", "new", [], b"me:1:2"),
    (b"l text", "log", ["text"], b""),
    (b"m", "self", [], b"pool/me"),
    (b"d bye", "shutdown", [b"bye"], b""),
    (b"i x", "set-interval", ["x", 20], b"name"),
    (b"c x", "clear-interval", ["x"], b""),
    (b"k kid.toml", "spawn", ["kid.toml", None], b"me/kid"),
    (b"K me/kid", "stop-child", ["me/kid"], b""),
    (b"j me/kid", "get-child-state", ["me/kid"], b"a state"),
]


@BOTH
@pytest.mark.parametrize(("command", "function", "args", "reply"), CALLS)
def test_a_call_reaches_the_host_in_plain_values_and_is_answered(
    core: Callable[..., Core], command: bytes, function: str, args: list[Any], reply: bytes
) -> None:
    host = answering()
    result, _ = ask(start(PROBE, host, core), command)
    assert [(each[1], each[2]) for each in host.calls] == [(function, args)]
    assert result == {"ok": [EMPTY, [reply]]}


@BOTH
def test_an_error_is_what_the_guest_is_told(core: Callable[..., Core]) -> None:
    host = answering(request={"err": "no-actor: there is none"})
    assert ask(start(PROBE, host, core), b"r b hi")[0] == {
        "ok": [EMPTY, [b"no-actor: there is none"]]
    }


WRONG = [
    (b"!", "fuel", "used up its fuel of 1,000,000 (a Pack guest's panic is an endless loop)"),
    (b"t", "trap", "wasm `unreachable` instruction executed"),
    (b"x", "trap", "handle-request: 32 bytes at 4,294,967,280 lie outside of its memory of 131,07"),
    (b"b", "trap", "handle-request' answered is no value of Pack's: "),
    (b"z", "trap", "theater:simple/runtime.log: what it was given cannot be taken: "),
]


@BOTH
@pytest.mark.parametrize(("command", "kind", "message"), WRONG)
def test_what_it_does_wrong_ends_it(
    core: Callable[..., Core], command: bytes, kind: str, message: str
) -> None:
    package = start(PROBE, answering(), core)
    found = failure(lambda: ask(package, command, fuel=1_000_000))
    assert found.kind == kind and message in found.message
    again = failure(lambda: ask(package, b"g"))
    assert "has failed before" in again.message


@BOTH
def test_an_error_of_its_own_or_of_the_abi_is_an_err_and_it_goes_on(
    core: Callable[..., Core],
) -> None:
    package = start(PROBE, answering(), core)
    assert ask(package, b"e not today")[0] == {"err": "not today"}
    refused = ask(package, b"n missing parameter")[0]["err"]
    export = "theater:simple/message-server-client.handle-request"
    assert refused == f"the package: '{export}' could not take the call: missing parameter"
    assert ask(package, b"g")[0] == {"ok": [EMPTY, [b""]]}


@BOTH
def test_a_state_of_another_type_is_told_before_the_call(core: Callable[..., Core]) -> None:
    package = start(PROBE, answering(), core)
    result, fuel = ask(package, b"g", state=encode("a string"))
    assert fuel == 0 and result["err"].startswith(
        "State type mismatch for 'theater:simple/message-server-client.handle-request': "
    )
    assert ask(package, b"g", state=b"bytes of a component")[0]["ok"][1] == [
        b"bytes of a component"
    ]


@BOTH
def test_what_the_host_raises_comes_out(core: Callable[..., Core]) -> None:
    class Leaves(Abort):
        pass

    def leave(_function: str, _args: list[Any]) -> Any:
        raise Leaves("now")

    with pytest.raises(Leaves, match="now"):
        ask(start(PROBE, FakeHost(leave), core), b"m")

    def break_it(_function: str, _args: list[Any]) -> Any:
        raise KeyError("x")

    found = failure(lambda: ask(start(PROBE, FakeHost(break_it), core), b"m"))
    assert found.message == "theater:simple/runtime.self: KeyError: 'x'"
    assert isinstance(found.__cause__, KeyError)
    found = failure(lambda: ask(start(PROBE, answering(self=7), core), b"m"))
    assert found.message.startswith("theater:simple/runtime.self: ")


def test_both_ways_do_the_same_and_burn_the_same() -> None:
    told: list[list[Any]] = []
    for core in (PublicCore, QuickCore):
        package = start(PROBE, answering(get={"ok": b"x" * 100_000}), core)
        told.append([package.fuel_used])
        for command, *_ in CALLS * 3:
            told[-1].append(ask(package, command))
        for size in (0, 1, 100, 5000, 70_000, 3):
            told[-1].append(ask(package, b"a " + b"y" * size))
        for command, *_ in WRONG:
            found = failure(functools.partial(ask, start(PROBE, answering(), core), command))
            told[-1].append((found.kind, found.message, found.fuel))
    assert told[0] == told[1]


@BOTH
def test_no_call_is_made_while_one_waits_for_the_host(core: Callable[..., Core]) -> None:
    def again(_function: str, _args: list[Any]) -> Any:
        return ask(package, b"g")

    package = start(PROBE, FakeHost(again), core)
    found = failure(lambda: ask(package, b"m"))
    assert "was called while the guest waits in a host function" in found.message


def test_a_host_may_leave_less_fuel() -> None:
    def answer(_function: str, _args: list[Any]) -> Any:
        package.limit_fuel(10)
        return "me"

    package = start(PROBE, FakeHost(answer))
    assert failure(lambda: ask(package, b"m")).kind == "fuel"


def test_thousands_of_calls_take_no_more_memory_and_a_huge_answer_is_given_back() -> None:
    sizes = iter([10] * 50 + [2 * MIB] + [10] * 5000)
    host = FakeHost(lambda _function, _args: {"ok": b"x" * next(sizes)})
    package = start(PROBE, host)
    for _ in range(100):
        ask(package, b"f st h")
    core = package._the_core()
    grown, resident = core.size(), resident_bytes()
    for _ in range(3000):
        ask(package, b"f st h")
    assert core.size() == grown and resident_bytes() < resident + 8 * MIB


def test_a_limit_of_memory_is_named_where_it_may_be_the_reason() -> None:
    package = start(PROBE, answering(), memory_bytes=2 * MIB)
    found = failure(lambda: ask(package, b"a " + b"x" * (3 * MIB)))
    assert re.search(r"its allocator has no 3,\d+,\d+ bytes", found.message)


def test_the_artifact_says_whether_it_is_a_module() -> None:
    module, other = compiled(ECHO, wasmtime.Module), compiled("(component)")
    assert is_module(module) and not is_module(other) and not is_module("/dev/null")
    limited = functools.partial(instantiate, memory_bytes=MIB, fuel=FUEL)
    assert isinstance(limited(module, FakeHost()), Package)
    assert isinstance(limited(other, FakeHost()), Instance)
    with pytest.raises(ComponentError, match="cannot load"):
        limited("/nowhere", FakeHost())


def test_what_nobody_provides_does_not_link() -> None:
    wat = PROBE.replace(f'"{RUNTIME}" "self"', '"theater:simple/runtime" "whoami"')
    with pytest.raises(ComponentError, match=r"imports theater:simple/runtime\.whoami, which nobo"):
        start(wat)


def test_a_start_function_that_calls_an_import_fails() -> None:
    wat = PROBE.rstrip().removesuffix(")") + (
        "(func $go (drop (call $self (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"
        "(start $go))"
    )
    for core in (PublicCore, QuickCore):
        found = failure(functools.partial(start, wat, core=core))
        assert "called while the module was instantiated" in found.message


@BOTH
def test_a_function_of_another_shape_cannot_be_called(core: Callable[..., Core]) -> None:
    """The quick way would read its arguments from beside the buffer."""
    for shape in ("(param i64)", "(param i32 i32 i32 i32 i32)", "(result i32 i32)", "(result f32)"):
        wat = PROBE.replace(f'(export "{CLIENT}.handle-send")', "", 1).rstrip().removesuffix(")")
        wat += f'(func (export "{CLIENT}.handle-send") {shape} unreachable))'
        package = start(wat, answering(), core)
        assert (CLIENT, "handle-send") not in package.exports
        assert (CLIENT, "handle-request") in package.exports


def test_constructors_run_once() -> None:
    wat = PROBE.rstrip().removesuffix(")") + (
        '(func (export "__wasm_call_ctors") (global.set $heap (i32.const 0x9000))))'
    )
    assert ask(start(wat), b"g")[0] == {"ok": [EMPTY, [b""]]}
    spins = wat.replace("(global.set $heap (i32.const 0x9000))", "(loop (br 0))")
    found = failure(lambda: start(spins, fuel=1000))
    assert found.kind == "fuel" and "used up its fuel of 1,000" in found.message
