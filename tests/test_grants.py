"""A component is judged against its manifest: grants, signatures, exports."""

from typing import Any

import pytest

from theater.calls import ACTOR
from theater.capabilities import HANDLERS, PROVIDED, check_handler
from theater.capabilities.capability import Loc
from theater.errors import Problem
from theater.grants import INIT, check_grants
from theater.spec import ActorSpec, Handler

HOST = "theater:simple/message-server-host"
CLIENT = "theater:simple/message-server-client"
RUNTIME = "theater:simple/runtime"
TIMER = "theater:simple/timer"


def interface(**functions: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): text for name, text in functions.items()}
    return {"version": None, "functions": named}


EXPORTS = {ACTOR: interface(init=INIT)}


def problems(
    imports: dict[str, Any] | None = None,
    exports: dict[str, Any] | None = None,
    handlers: tuple[str, ...] = (),
    where: str = "child[2]",
) -> list[Problem]:
    actor = ActorSpec(
        path="a", component="/a.wasm", where=where, handlers=tuple(map(Handler, handlers))
    )
    return check_grants(actor, imports or {}, EXPORTS if exports is None else exports)


def message(*args: Any, **kwargs: Any) -> str:
    [problem] = problems(*args, **kwargs)
    return problem.message


def everything(table: str) -> dict[str, Any]:
    return {
        name: {"version": None, "functions": dict(functions)}
        for handler in HANDLERS.values()
        for name, functions in getattr(handler, table).items()
    }


def test_the_smallest_actor_needs_no_grant() -> None:
    assert problems() == []


def test_a_component_that_uses_all_there_is_may_start_when_all_is_granted() -> None:
    exports = EXPORTS | everything("exports")
    assert problems(everything("imports"), exports, tuple(HANDLERS)) == []


def test_a_handler_that_the_component_never_imports_is_no_problem() -> None:
    assert problems(handlers=tuple(HANDLERS)) == []


@pytest.mark.parametrize(
    ("where", "header"),
    [
        ("", "[[handler]]"),
        ("child[2]", "[[child.handler]]"),
        ("child[0].child[11]", "[[child.child.handler]]"),
    ],
)
@pytest.mark.parametrize(("name", "handler"), [(RUNTIME, "runtime"), (HOST, "message-server")])
def test_a_missing_grant_is_told_with_the_lines_to_add(
    where: str, header: str, name: str, handler: str
) -> None:
    [problem] = problems({name: interface()}, where=where)
    assert problem.path == where
    assert name in problem.message
    assert problem.message.endswith(f'{header}\n    type = "{handler}"')


def test_beside_other_handlers_the_inline_form_is_told_too() -> None:
    text = message({RUNTIME: interface()}, handlers=("message-server",))
    assert text.endswith('\nor, to a handler = [...], { type = "runtime" }')


@pytest.mark.parametrize("version", [None, "0.1.0"])
def test_the_version_of_an_interface_does_not_matter(version: str | None) -> None:
    imports = {RUNTIME: {"version": version, "functions": {"log": "func(msg: string)"}}}
    assert problems(imports, handlers=("runtime",)) == []


@pytest.mark.parametrize(
    "name", ["wasi:io/streams", "wasi:http/types", "wasi:nonsense/x", "theater:simple/types"]
)
def test_wasi_and_plain_types_need_no_grant(name: str) -> None:
    assert problems({name: interface(anything="func()")}) == []


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("theater:simple/runtim", "theater:simple/runtime"),
        ("theater:simple/message-server", "theater:simple/message-server-host"),
        ("theater:simpel/timer", "theater:simple/timer"),
        ("ntwk:theater/runtime", "theater:simple/runtime"),
    ],
)
def test_an_unknown_interface_gets_the_nearest_known_one(name: str, close: str) -> None:
    text = message({name: interface()})
    assert f'imports {name}, which nobody provides; did you mean "{close}"?' in text


def test_an_interface_like_nothing_known_gets_the_list() -> None:
    text = message({"acme:db/sql": interface()})
    assert "did you mean" not in text
    assert f"there are {', '.join(sorted(PROVIDED))} and wasi:*" in text


@pytest.mark.parametrize("name", [ACTOR, CLIENT])
def test_what_actors_export_cannot_be_imported(name: str) -> None:
    assert "which an actor exports" in message({name: interface()})


def test_functions_outside_of_any_interface_are_named() -> None:
    text = message({"": interface(frob="func()", quux="func()")})
    assert "imports frob, quux outside of any interface" in text


def test_an_import_that_does_not_exist_gets_the_nearest_function() -> None:
    text = message({RUNTIME: interface(logg="func(msg: string)")}, handlers=("runtime",))
    assert (
        'imports logg of theater:simple/runtime, which has no such function; did you mean "log'
        in text
    )


def test_an_import_with_another_type_shows_both() -> None:
    text = message({RUNTIME: interface(log="func(msg: u32)")}, handlers=("runtime",))
    assert "found:    func(msg: u32)" in text
    assert "expected: func(msg: string)" in text


@pytest.mark.parametrize(
    "text",
    [
        "func(msg: string) -> string",
        "func()",
        "func(msg: string, more: string)",
        "func(msg: option<string>)",
        "string",
        "",
        "func(",
        "func(record{a: string})",
    ],
)
def test_each_difference_in_a_type_counts(text: str) -> None:
    assert len(problems({RUNTIME: interface(log=text)}, handlers=("runtime",))) == 1


@pytest.mark.parametrize(
    "text", ["func(message: string)", "func(msg:string)", "func(%self: string)"]
)
def test_names_of_parameters_and_blanks_do_not_count(text: str) -> None:
    assert problems({RUNTIME: interface(log=text)}, handlers=("runtime",)) == []


def test_names_of_fields_do_count() -> None:
    chain = HANDLERS["runtime"].imports[RUNTIME]["get-chain"]
    other = chain.replace("event-type", "kind")
    assert other != chain
    assert len(problems({RUNTIME: interface(get_chain=other)}, handlers=("runtime",))) == 1


def test_all_problems_of_a_component_come_at_once() -> None:
    imports = {
        RUNTIME: interface(log="func()", nope="func()"),
        "theater:simple/store": interface(),
        "acme:db/sql": interface(),
    }
    assert len(problems(imports, {})) == 6


@pytest.mark.parametrize(
    ("exports", "words"),
    [
        ({}, "it exports nothing"),
        ({"": interface(run="func()")}, "it exports nothing"),
        ({"acme:a/b": interface()}, "it exports acme:a/b"),
        ({"theater:simpel/actor": interface()}, "it has theater:simpel/actor"),
        ({ACTOR: interface()}, "without init; it has nothing"),
        ({ACTOR: interface(start=INIT)}, "without init; it has start"),
        ({ACTOR: interface(init="func()")}, "expected: " + INIT),
    ],
)
def test_an_actor_must_export_init(exports: dict[str, Any], words: str) -> None:
    text = message(exports=exports)
    assert words in text
    assert INIT in text


@pytest.mark.parametrize("function", HANDLERS["message-server"].exports[CLIENT])
def test_an_actor_may_export_any_part_of_the_client_interface(function: str) -> None:
    text = HANDLERS["message-server"].exports[CLIENT][function]
    assert problems(exports=EXPORTS | {CLIENT: interface(**{function: text})}) == []


@pytest.mark.parametrize("function", HANDLERS["message-server"].exports[CLIENT])
def test_a_callback_with_another_type_is_a_problem(function: str) -> None:
    text = message(exports=EXPORTS | {CLIENT: interface(**{function: "func()"})})
    assert f"exports {function} of {CLIENT} with another type" in text


def test_a_misspelt_callback_would_never_be_called() -> None:
    text = message(exports=EXPORTS | {CLIENT: interface(handle_sent="func()")})
    assert 'did you mean "handle-send"?' in text


def test_other_exports_are_the_components_own_business() -> None:
    assert problems(exports=EXPORTS | {"wasi:cli/run": interface(run="func()")}) == []


def test_hostile_names_are_escaped() -> None:
    imports = {"evil:\x1b[31m/x": interface(), RUNTIME: interface(**{"a\x07": "x\u202e"})}
    exports = {"b\x9b": interface()}
    for problem in problems(imports, exports, handlers=("runtime",)):
        assert problem.message.isprintable()


@pytest.mark.parametrize(
    ("type_", "settings"),
    [
        ("runtime", {}),
        ("runtime", {"max_events": 10}),
        ("message-server", {}),
        ("message-server", {"send_to": []}),
        ("message-server", {"send_to": ["a", "pool/*", "**"]}),
    ],
)
def test_handlers_take_their_settings(type_: str, settings: dict[str, object]) -> None:
    assert check_handler(type_, settings) == []


@pytest.mark.parametrize(
    ("type_", "settings", "where", "words"),
    [
        (3, {}, ("type",), "found 3; must be a string"),
        ("runtme", {}, ("type",), 'did you mean "runtime"? available: message-server, runtime'),
        ("stor", {}, ("type",), 'did you mean "store"?'),
        ("zzz", {}, ("type",), 'no handler is called "zzz"; available:'),
        ("\x1b", {}, ("type",), r"\x1b"),
        ("wasi:sockets", {}, ("type",), "granted to nobody"),
        ("wasi:http", {}, ("allow",), "grants nothing without it"),
        ("wasi:clocks", {}, ("type",), "needs no grant"),
        ("runtime", {"max_event": 1}, ("max_event",), 'did you mean "max_events"?'),
        ("runtime", {"max_events": 0}, ("max_events",), "whole number from 1"),
        ("runtime", {"max_events": True}, ("max_events",), "found true"),
        ("runtime", {"send_to": []}, ("send_to",), 'unknown setting of "runtime"'),
        ("message-server", {"send_to": "a"}, ("send_to",), 'found "a"; must be an array'),
        ("message-server", {"send_to": ["a", 3]}, ("send_to", 1), "found 3"),
        ("message-server", {"send_to": ["A"]}, ("send_to", 0), "not an address pattern"),
    ],
)
def test_a_wrong_handler_says_where_and_what(
    type_: object, settings: dict[str, object], where: Loc, words: str
) -> None:
    [(loc, text)] = check_handler(type_, settings)
    assert loc == where
    assert words in text
    assert text.isprintable()


def test_all_wrong_settings_come_at_once() -> None:
    assert len(check_handler("message-server", {"send_to": ["A", "b", 3], "x": 1})) == 3
