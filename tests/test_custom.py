"""An author's class, as a handler: found, read, described; and what is granted of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from tests.test_grants import EXPORTS, interface
from theater import handler
from theater.capabilities import check_settings, granted, world_calls
from theater.capabilities.custom import handler_type, wrong_with
from theater.custom import BadHandler, files, hashed, load, read, wit
from theater.errors import Problem
from theater.grants import check_grants
from theater.handler import U8, Key, Result, world
from theater.linkage import needed
from theater.spec import ActorSpec, Custom, Handler


@dataclass
class Message:
    role: Literal["system", "user"]
    text: str


class Chat:
    """Ask a model.

    And more.
    """

    interface = "demo:llm/chat"
    url: str
    model: str = "small"
    temperature: float = 0.5
    tags: list[str] = []  # noqa: RUF012
    headers: dict[str, str] | None = None
    count: ClassVar[int] = 0
    _hidden: object

    @handler.read(timeout_s=5)
    def models(self) -> list[str]:
        """Which there are."""
        return []

    def chat(self, messages: list[Message], seed: U8 | None = None) -> Result[str]:
        return ""

    @world(interrupted="again")
    def send_all(self, key: Key, list_: bytes) -> None:
        """Send it.

        Not shown.
        """

    def _not_a_function(self) -> None: ...


RECORD = "record{role: enum{system, user}, text: string}"
CUSTOM = read(Chat).described("handlers.py:Chat", "/somewhere")


def test_a_class_is_an_interface() -> None:
    assert CUSTOM.interface == "demo:llm/chat"
    assert {
        name: (each.type, each.effect, each.timeout_s) for name, each in CUSTOM.functions.items()
    } == {
        "models": ("func() -> list<string>", "read", 5),
        "chat": (
            f"func(messages: list<{RECORD}>, seed: option<u8>) -> result<string, string>",
            "error",
            20,
        ),
        "send-all": ("func(%list: list<u8>)", "again", 20),
    }
    assert CUSTOM.settings == {
        "url": "str",
        "model": "str?",
        "temperature": "float?",
        "tags": "list[str]?",
        "headers": "dict[str]?",
    }


def test_its_wit_can_be_put_beside_that_of_an_actor() -> None:
    assert (
        wit(read(Chat))
        == """\
package demo:llm;

/// Ask a model.
interface chat {
    enum message-role { system, user }

    record message {
        role: message-role,
        text: string,
    }

    /// Which there are.
    models: func() -> list<string>;
    chat: func(messages: list<message>, seed: option<u8>) -> result<string, string>;
    /// Send it.
    send-all: func(%list: list<u8>);
}
"""
    )


def test_what_it_inherits_is_its_own_too() -> None:
    class More(Chat):
        interface = "demo:llm/more"
        extra: int = 3

        @handler.read
        def models(self) -> list[str]:
            return ["more"]

        @handler.read
        def last(self) -> bool:
            return True

    found = read(More)
    assert [*found.methods] == ["models", "chat", "send-all", "last"]
    assert found.methods["models"].declared.timeout_s == handler.TIMEOUT_S
    assert found.settings["extra"] == "int?" and found.settings["url"] == "str"


def made(**members: Any) -> type:
    return type("Bad", (), {"interface": "demo:bad/bad", **members})


class _Bad:
    def no_hint(self, a) -> None: ...  # type: ignore[no-untyped-def]
    def no_return(self, a: int): ...  # type: ignore[no-untyped-def]
    def bad(self, a: dict[str, int]) -> Result[None]: ...
    def bad_answer(self, a: int) -> Result[dict[str, int]]:
        return {}

    def unknown(self, a: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def many(self, *a: int) -> Result[None]: ...
    async def later(self) -> Result[None]: ...
    def plain(self, a: int) -> str:
        return ""

    def yields(self) -> Iterator[int]:
        yield 1

    @handler.read
    def keyed(self, key: Key) -> None: ...

    def two_keys(self, a: Key, b: Key) -> Result[None]: ...

    @staticmethod
    def static() -> None: ...

    def within(self) -> Result[None]: ...
    def aA(self) -> Result[None]: ...


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_hint", "Bad.no_hint: the parameter a has no type hint"),
        ("no_return", "Bad.no_return: does not say what it returns; write -> None"),
        ("bad", "Bad.bad: the parameter a: dict[str, int] is no type of WIT; WIT has no maps"),
        ("bad_answer", "Bad.bad_answer: what it returns: dict[str, int] is no type of WIT"),
        ("unknown", "Bad.unknown: its hints cannot be read: NameError: name 'Unknown'"),
        ("many", "Bad.many: the parameter a takes any number"),
        ("later", "Bad.later: is async"),
        ("plain", "Bad.plain: changes something outside, as nothing else is said"),
        ("plain", 'Write -> Result[str], or @read before it, or @world(interrupted="again")'),
        ("yields", "Bad.yields: yields; return a list"),
        ("keyed", "Bad.keyed: a read has no key"),
        ("two_keys", "Bad.two_keys: takes two keys"),
        ("static", "Bad.static: a function of the interface is a plain method"),
        ("within", "Bad.within: the name is reserved"),
        ("aA", "Bad.aA: the name 'aA' cannot be one of WIT"),
    ],
)
def test_a_method_that_cannot_be_one_is_named(name: str, message: str) -> None:
    with pytest.raises(BadHandler) as caught:
        read(made(**{name: vars(_Bad)[name]}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (type("Bad", (), {}), "Bad does not say what it provides: as in interface = "),
        (made(interface="demo"), "Bad.interface is 'demo': the name '' cannot be one of WIT"),
        (made(interface="a:b/C"), "the name 'C' cannot be one of WIT"),
        (made(interface="a:b/c_d"), "its parts are words in kebab-case"),
        (made(interface="a:b/c@1.0.0"), "leave out the version"),
        (made(interface="theater:simple/runtime"), "theater: is not for handlers of one's own"),
        (made(interface="wasi:http/x"), "wasi: is not for handlers of one's own"),
        (made(), "Bad has no method whose name begins with a letter"),
    ],
)
def test_a_class_that_is_no_handler_says_why(kind: type, message: str) -> None:
    with pytest.raises(BadHandler) as caught:
        read(kind)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (set[int], "Bad.x: set[int] is no type of a setting; there are bool, int"),
        (int | str, "is no type of a setting"),
        (dict[int, str], "is no type of a setting"),
    ],
)
def test_a_setting_has_a_type_that_toml_has(hint: Any, message: str) -> None:
    with pytest.raises(BadHandler) as caught:
        read(made(ok=Chat.models, __annotations__={"x": hint}))
    assert message in str(caught.value)


@pytest.mark.parametrize("time_s", [0, -1, True, "3", float("nan"), 10**9])
def test_a_timeout_is_a_time(time_s: Any) -> None:
    with pytest.raises(ValueError, match="is not a number of seconds"):
        handler.read(timeout_s=time_s)


def test_what_becomes_of_an_interrupted_call_is_one_of_two() -> None:
    with pytest.raises(ValueError, match='is neither "error" nor "again"'):
        world(interrupted="read")


# What is granted


GRANT = Handler("handlers.py:Chat", {"url": "http://x"}, CUSTOM)


def test_its_world_calls_are_what_is_declared() -> None:
    assert world_calls([Handler("runtime"), GRANT]) == {
        "demo:llm/chat": {"chat": "error", "send-all": "again"}
    }


def test_a_chain_says_what_was_granted_and_what_that_was() -> None:
    facts = granted(GRANT)
    assert facts["settings"] == {"url": "http://x"}
    assert facts["functions"]["models"] == ["func() -> list<string>", "read"]
    assert facts["sha256"] == CUSTOM.sha256 and len(CUSTOM.sha256) == 64
    assert granted(Handler("runtime", {"max_events": 3})) == {"max_events": 3}


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"url": "x"}, []),
        ({"url": "x", "temperature": 1, "tags": ["a"], "headers": {"a": "b"}}, []),
        ({}, [(("url",), 'missing: "t" grants nothing without it')]),
        ({"url": 3}, [(("url",), "found 3; must be a string")]),
        (
            {"url": "x", "temperature": True},
            [(("temperature",), "found true; must be a number")],
        ),
        ({"url": "x", "tags": "a"}, [(("tags",), 'found "a"; must be an array, each a string')]),
        ({"url": "x", "tags": ["a", 1]}, [(("tags", 1), "found 1; must be a string")]),
        (
            {"url": "x", "headers": [1]},
            [(("headers",), "found an array; must be a table, each value a string")],
        ),
        ({"url": "x", "headers": {"a": 1}}, [(("headers", "a"), "found 1; must be a string")]),
        (
            {"url": "x", "modle": "m"},
            [
                (
                    ("modle",),
                    'unknown setting of "t"; did you mean "model"?'
                    " allowed: url, model, temperature, tags, headers",
                )
            ],
        ),
    ],
)
def test_settings_are_checked_against_the_class(
    settings: dict[str, Any], problems: list[tuple[tuple[str | int, ...], str]]
) -> None:
    assert check_settings("t", handler_type(CUSTOM), settings) == problems


def test_whole_numbers_have_64_bits() -> None:
    custom = Custom("a:B", "/", "a:b/c", {}, {"n": "int", "b": "bool"}, "")
    assert check_settings("t", handler_type(custom), {"n": 2**63 - 1, "b": True}) == []
    wrong = check_settings("t", handler_type(custom), {"n": 2**63, "b": 1})
    assert [loc for loc, _ in wrong] == [("n",), ("b",)]


IMPORTS = {"demo:llm/chat": interface(models="func() -> list<string>")}


def problems_of(*handlers: Handler, imports: dict[str, Any] = IMPORTS) -> list[Problem]:
    actor = ActorSpec(path="a", component="/a.wasm", where="child[2]", handlers=handlers)
    return check_grants(actor, imports, EXPORTS)


def test_it_provides_its_interface_to_whom_it_is_granted() -> None:
    assert problems_of(GRANT) == []
    [problem] = problems_of()
    assert "imports demo:llm/chat, which nobody provides" in problem.message
    assert 'a handler of your own can: type = "module:Class"' in problem.message
    [problem] = problems_of(GRANT, imports={"demo:llm/chta": interface()})
    assert '"handlers.py:Chat" provides demo:llm/chat' in problem.message
    assert needed(IMPORTS) == []


def test_another_signature_is_a_problem() -> None:
    [problem] = problems_of(GRANT, imports={"demo:llm/chat": interface(models="func()")})
    assert "imports models of demo:llm/chat with another type" in problem.message
    [problem] = problems_of(GRANT, imports={"demo:llm/chat": interface(modles="func()")})
    assert 'has no such function; did you mean "models"?' in problem.message


def test_two_cannot_provide_the_same() -> None:
    [problem] = problems_of(GRANT, Handler("other:Chat", {}, CUSTOM))
    assert '"other:Chat" and "handlers.py:Chat" both provide demo:llm/chat' in problem.message


@pytest.mark.parametrize(
    ("found", "is_one"),
    [
        ("handlers.py:LLM", True),
        ("a/b-c/handlers.py:LLM", True),
        ("my_package.llm:LLM", True),
        ("m:Outer.Inner", True),
        ("m:", False),
        (":LLM", False),
        ("my-package:LLM", False),
        ("m:L:M", False),
        ("m:1", False),
        ("m:" + "a" * 2000, False),
    ],
)
def test_a_class_is_named_with_its_module(found: str, is_one: bool) -> None:
    assert (wrong_with(found) is None) is is_one


# Finding


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of a manifest. What is imported from it is forgotten."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


TEXT = """\
import theater.handler
class Own:
    interface = "a:b/c"
    @theater.handler.read
    def f(self) -> int:
        return {number}
"""


def test_a_class_is_found_beside_the_manifest(place: Path) -> None:
    (place / "own_handlers.py").write_text(TEXT.format(number=1))
    (place / "deeper").mkdir()
    (place / "deeper" / "more_handlers.py").write_text(TEXT.format(number=2))
    for found, number in (
        ("own_handlers.py:Own", 1),
        ("own_handlers:Own", 1),
        ("deeper/more_handlers.py:Own", 2),
        ("deeper.more_handlers:Own", 2),
    ):
        kind = load(found, str(place))
        assert kind().f() == number
        assert [*read(kind).methods] == ["f"]


def test_its_hash_is_that_of_its_modules(place: Path) -> None:
    (place / "helper_of_own.py").write_text("x = 1")
    (place / "own_with_helper.py").write_text(
        "import helper_of_own, json\n" + TEXT.format(number=1)
    )
    kind = load("own_with_helper.py:Own", str(place))
    assert [Path(each).name for each in files(kind)] == ["helper_of_own.py", "own_with_helper.py"]
    before = hashed(kind)
    assert before == hashed(kind)
    (place / "helper_of_own.py").write_text("x = 2")
    assert hashed(kind) != before


@pytest.mark.parametrize(
    ("found", "text", "message"),
    [
        ("missing_file.py:Own", None, "there is no file "),
        ("missing_module:Own", None, "there is no module missing_module, neither in "),
        ("bad_own.py:Nobody", TEXT, "bad_own.py has no class Nobody; it has Own"),
        ("bad_own.py:Own", "import not_there_at_all", "No module named 'not_there_at_all'"),
        (
            "bad_own.py:Own",
            "x = 1\n1 / 0",
            "ZeroDivisionError: division by zero (bad_own.py, line 2)",
        ),
        ("bad_own.py:Own", "def f(:", "bad_own.py cannot be imported: SyntaxError"),
        ("bad_own.py:Own", "raise SystemExit(3)", "bad_own.py cannot be imported: SystemExit: 3"),
        ("json.py:Own", TEXT, "another module is called json"),
        ("antigravity.py:Own", TEXT, "a module of Python's own is called antigravity"),
        ("bad-own.py:Own", TEXT, "its name is no name of a module"),
        ("bad_own:Own.f", TEXT, "bad_own has no class Own.f; it has Own"),
    ],
)
def test_one_that_cannot_be_imported_says_why(
    place: Path, found: str, text: str | None, message: str
) -> None:
    if text is not None:
        name = found.partition(":")[0]
        (place / (name if name.endswith(".py") else f"{name}.py")).write_text(text)
    with pytest.raises(BadHandler) as caught:
        load(found, str(place))
    assert message in str(caught.value)
