"""A package of Pack's is judged against its manifest, and by the hashes it was built with."""

from __future__ import annotations

from typing import Any

import pytest

from theater.calls import (
    ACTOR,
    CLIENT,
    LOOP,
    LOOP_CLIENT,
    MESSAGES,
    RUNTIME,
    STORE,
    SUPERVISOR,
    TIMER,
)
from theater.capabilities import FOR_PACKAGES, PROVIDED, PROVIDERS
from theater.grants import INIT, check_grants
from theater.linkage import End, exported, imported, needed
from theater.linkage import problems as without_manifest
from theater.pack.hashes import interface_hash
from theater.pack.interfaces import (
    EXPORTS,
    IMPORTS,
    NOT_FOR_ACTORS,
    UNDECLARED,
    has_export,
    provided,
)
from theater.pack.parsing import parse_function
from theater.spec import ActorSpec, Handler


def interface(
    functions: dict[str, str], name: str | None = None, hash: str | None = None
) -> dict[str, Any]:
    """`name`: it says the hash of that interface, with these functions."""
    if name is not None:
        parsed = {each: parse_function(text) for each, text in functions.items()}
        hash = interface_hash(name, parsed).hex()
    return {"version": None, "functions": functions, "pack": {"hash": hash}}


ANY = interface({"init": "func(state: value) -> value"})


def problems(imports: dict[str, Any], *handlers: str, exports: Any = None) -> list[str]:
    actor = ActorSpec(
        path="a", component="/a.wasm", where="child[2]", handlers=tuple(map(Handler, handlers))
    )
    exports = {ACTOR: ANY} if exports is None else exports
    found = check_grants(actor, imports, exports)
    assert all(each.path == "child[2]" for each in found)
    return [each.message for each in found]


def test_all_that_upstream_provides_and_that_is_here_may_be_imported() -> None:
    imports = {name: interface(functions, name) for name, functions in IMPORTS.items()}
    handlers = [PROVIDERS[name] for name in IMPORTS]
    assert problems(imports, *handlers) == []
    assert needed(imports) == [
        *("message-server", "runtime", "store", "timer", "loop", "supervisor", "rpc")
    ]
    assert without_manifest(imports, {ACTOR: ANY}) == []
    [first, *_] = problems(imports, *handlers[1:])
    assert first.startswith("imports theater:simple/runtime, which the manifest does not grant")
    assert 'type = "runtime"' in first


def test_names_of_parameters_do_not_count_and_types_do() -> None:
    functions = {"log": "func(text: string)"}
    assert problems({RUNTIME: interface(functions, RUNTIME)}, "runtime") == []
    functions = {"log": "func(msg: list<u8>)", "self": "func() -> string"}
    [text] = problems({RUNTIME: interface(functions, RUNTIME)}, "runtime")
    assert "log" in text and "self" not in text
    assert "func(msg: string)" in text and "func(msg: list<u8>)" in text


def test_a_hash_that_contradicts_the_signatures_is_told() -> None:
    [text] = problems({RUNTIME: interface({"log": "func(msg: string)"}, hash="ab" * 32)}, "runtime")
    assert "ab" * 32 in text
    assert problems({RUNTIME: interface({"log": "func(msg: string)"})}, "runtime") == []


@pytest.mark.parametrize(
    ("name", "functions", "parts"),
    [
        ("theater:simple/tcp", ["listen"], ["not provided here", "no sockets"]),
        (
            "theater:simple/stor",
            ["new"],
            ["no handler provides", 'did you mean "theater:simple/st'],
        ),
        ("my:own/thing", ["do"], ["no handler provides to packages", "for components"]),
        ("host", ["log"], ["wants interface host, which no handler provides; theater:simple/"]),
        (RUNTIME, ["get-chain"], ["has no function", "get-chain", "log"]),
        (SUPERVISOR, ["get-child-events"], ["has no function", "get-child-events", "spawn"]),
    ],
)
def test_what_nobody_provides_is_named(name: str, functions: list[str], parts: list[str]) -> None:
    imports = {name: interface(dict.fromkeys(functions, "func() -> value"), name)}
    [text] = problems(imports, "runtime", "supervisor")
    for part in parts:
        assert part in text, text
    imports = {name: interface(dict.fromkeys(functions, UNDECLARED))}
    [text] = problems(imports, "runtime", "supervisor")
    for part in parts:
        assert part in text, text


def test_an_import_without_a_type_is_granted_by_its_name() -> None:
    assert problems({RUNTIME: interface({"log": UNDECLARED})}, "runtime") == []


def test_a_type_that_cannot_be_read_is_a_problem() -> None:
    [text] = problems({RUNTIME: interface({"log": "func(a: record x y{})"})}, "runtime")
    assert text.startswith("theater:simple/runtime.log has a type that is none: ")


def test_an_actor_has_init() -> None:
    exports = {CLIENT: interface({"handle-send": "func(state: value) -> value"})}
    [text] = problems({}, exports=exports)
    assert text.startswith(
        "has no theater:simple/actor.init, which every actor exports; it exports"
    )


def test_its_interfaces_are_sorted_by_who_is_at_the_other_end() -> None:
    imports = {
        "my:own/thing": interface({}),
        MESSAGES: interface({}),
        "theater:simple/tcp": interface({}, hash="cd" * 32),
        STORE: interface({}),
    }
    assert [(each.name, each.end, each.hash) for each in imported(imports)] == [
        (MESSAGES, End.HANDLER, None),
        (STORE, End.HANDLER, None),
        ("my:own/thing", End.NOBODY, None),
        ("theater:simple/tcp", End.NOBODY, "cd" * 32),
    ]
    exports = {
        "theater:simple/timer-client": interface({}),
        "x": interface({}),
        TIMER: interface({}),
        ACTOR: ANY,
    }
    assert [(each.name, each.end) for each in exported(exports)] == [
        (ACTOR, End.THEATER),
        (TIMER, End.THEATER),
        ("theater:simple/timer-client", End.UNUSED),
        ("x", End.ACTORS),
    ]


def test_ticks_come_to_an_export_of_the_timers_own_interface() -> None:
    tick = {"handle-tick": "func(state: value, name: string) -> value"}
    here = ("theater:simple/timer-client", "handle-tick")
    assert has_export({TIMER: interface(tick)}, *here)
    assert not has_export({TIMER: {"version": None, "functions": tick}}, *here)
    assert not has_export({here[0]: interface(tick)}, *here)
    assert EXPORTS[TIMER] == {"handle-tick"}


def test_rounds_come_to_packages_alone() -> None:
    functions = {"loop": "func(state: value, loop-state: list<u8>) -> value"}
    assert has_export({LOOP_CLIENT: interface(functions)}, LOOP_CLIENT, "loop")
    component = {LOOP_CLIENT: {"version": None, "functions": functions}}
    assert not has_export(component, LOOP_CLIENT, "loop")
    assert [(each.name, each.end) for each in exported(component)] == [(LOOP_CLIENT, End.UNUSED)]
    package = {LOOP_CLIENT: interface(functions), ACTOR: ANY}
    assert [each.end for each in exported(package)] == [End.THEATER] * 2
    assert LOOP_CLIENT in NOT_FOR_ACTORS  # that a round comes from its loop, nobody can pretend


def test_a_component_cannot_import_what_is_for_packages() -> None:
    component = {LOOP: {"version": None, "functions": {"stop-loop": "func() -> result<_, string>"}}}
    assert [(each.end, each.handler) for each in imported(component)] == [(End.NOBODY, None)]
    assert needed(component) == []
    [text] = check_components(component, "loop")
    assert text == "imports theater:simple/loop, which is for packages of Pack's alone"
    [text] = problems({LOOP: interface({"stop-loop": "func() -> result<_, string>"}, LOOP)})
    assert text.startswith("imports theater:simple/loop, which the manifest does not grant")


def check_components(imports: dict[str, Any], *handlers: str) -> list[str]:
    actor = ActorSpec(path="a", component="/a.wasm", handlers=tuple(map(Handler, handlers)))
    exports = {ACTOR: {"version": None, "functions": {"init": INIT}}}
    return [each.message for each in check_grants(actor, imports, exports)]


def test_what_is_provided_is_the_signature_of_a_handler_or_differs_on_purpose() -> None:
    """Each function leads to one of a component's: see `bridge`."""
    for name in IMPORTS.keys() - FOR_PACKAGES.keys():
        _, functions = PROVIDED[name]
        assert set(provided(name)) - set(functions) <= {"spawn-and-wait"}
