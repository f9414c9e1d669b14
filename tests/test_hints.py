"""Type hints as types of WIT, and values there and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, Optional, Union

import pytest

from theater.handler import F32, S8, S16, S32, U8, U16, U32, U64, Key, Result
from theater.hints import BadHint, Hints, kebab

Level = Literal["low", "very-high"]


class Role(StrEnum):
    SYSTEM = "system"
    COLD_START = "x"


@dataclass
class Message:
    role: Role
    text_: str
    parts: list[bytes]


@dataclass
class Chat:
    messages: list[Message]
    seed: U32 | None = None
    level: Level = "low"


LEVEL = "enum{low, very-high}"
MESSAGE = "record{role: enum{system, cold-start}, text: string, parts: list<list<u8>>}"


@pytest.mark.parametrize(
    ("hint", "text", "values"),
    [
        (bool, "bool", [(True, True)]),
        (int, "s64", [(-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1)]),
        (float, "f64", [(1.5, 1.5), (float("inf"), float("inf"))]),
        (str, "string", [("", ""), ("żółw", "żółw")]),
        (bytes, "list<u8>", [(b"\0\xff", b"\0\xff")]),
        (U8, "u8", [(255, 255)]),
        (U16, "u16", [(65535, 65535)]),
        (U32, "u32", [(2**32 - 1, 2**32 - 1)]),
        (U64, "u64", [(2**64 - 1, 2**64 - 1)]),
        (S8, "s8", [(-128, -128)]),
        (S16, "s16", [(-32768, -32768)]),
        (S32, "s32", [(-(2**31), -(2**31))]),
        (F32, "f32", [(0.5, 0.5)]),
        (list[U8], "list<u8>", [([1, 2], b"\1\2"), ([], b"")]),
        (list[list[str]], "list<list<string>>", [([["a"], []], [["a"], []])]),
        (tuple[int, str], "tuple<s64, string>", [((1, "a"), [1, "a"])]),
        (str | None, "option<string>", [(None, None), ("a", "a")]),
        (Optional[U8], "option<u8>", [(7, 7)]),  # noqa: UP045
        (Union[None, list[int]], "option<list<s64>>", [([1], [1]), (None, None)]),  # noqa: UP007
        (Level, "enum{low, very-high}", [("very-high", "very-high")]),
        (Role, "enum{system, cold-start}", [(Role.COLD_START, "cold-start")]),
        (Annotated[str, "whatever"], "string", [("a", "a")]),
        (
            Message,
            MESSAGE,
            [(Message(Role.SYSTEM, "a", []), {"role": "system", "text": "a", "parts": []})],
        ),
        (
            Chat,
            f"record{{messages: list<{MESSAGE}>, seed: option<u32>, level: {LEVEL}}}",
            [(Chat([], 3), {"messages": [], "seed": 3, "level": "low"})],
        ),
    ],
)
def test_a_hint_is_a_type_of_wit(hint: Any, text: str, values: list[tuple[Any, Any]]) -> None:
    found = Hints().of(hint, "place")
    assert found.text == text
    for value, plain in values:
        assert found.give(value) == plain
        assert found.take(plain) == value
        assert type(found.take(plain)) is type(value)


@dataclass
class Endless:
    inner: list[Endless]


@dataclass
class Nothing:
    pass


@dataclass
class Unmakable:
    a: int = field(init=False)


class NoMembers(Enum):
    pass


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (Any, "Any is no type of WIT; say what it is"),
        (object, "object is no type of WIT; say what it is"),
        (list, "list is no type of WIT; say of what, as in list[str]"),
        (tuple, "tuple is no type of WIT; say of what"),
        (dict[str, str], "WIT has no maps; use list[tuple[str, str]], or a dataclass"),
        (set[int], "WIT has no sets"),
        (complex, "use tuple[float, float]"),
        (NoMembers, "have no different names"),
        (int | str, "WIT has no unions but T | None"),
        (int | str | None, "WIT has no unions but T | None"),
        (tuple[int, ...], "use list[...]"),
        (tuple[()], "use list[...]"),
        (Literal[1, 2], "the cases of an enum are strings in kebab-case"),
        (Literal["A b"], "the cases of an enum are strings in kebab-case"),
        (Endless, "Endless.inner: Endless has itself within it"),
        (Nothing, "Nothing has no fields"),
        (Unmakable, "Unmakable has a field that it cannot be made with"),
        (Result[str], "Result can only be what a function returns"),
        (list[Key], "a Key can only be a parameter by itself"),
        (type(None), "NoneType is no type of WIT; there are bool, int"),
        (Exception, "Exception is no type of WIT; there are bool, int"),
    ],
)
def test_what_is_none_says_what_to_write(hint: Any, message: str) -> None:
    with pytest.raises(BadHint) as caught:
        Hints().of(hint, "place")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (bool, 1, "1 where True or False is meant"),
        (int, True, "True where a whole number is meant"),
        (int, 2**63, "does not fit into s64"),
        (U8, -1, "-1 does not fit into u8"),
        (int, "1", "'1' where a whole number is meant"),
        (float, "1", "where a number is meant"),
        (str, b"a", "b'a' where a str is meant"),
        (str, None, "None where a str is meant"),
        (str, "\ud800", "surrogates not allowed"),
        (bytes, "a", "where bytes are meant"),
        (list[str], "abc", "'abc' where a list is meant"),
        (list[str], [1], "1 where a str is meant"),
        (list[U8], [256], "256 does not fit into u8"),
        (tuple[int, str], (1,), "where a tuple of 2 is meant"),
        (str | None, 0, "0 where a str is meant"),
        (Level, "high", "'high' is none of low, very-high"),
        (Role, "system", "'system' where one of Role is meant"),
        (Message, {"role": "system"}, "where a Message is meant"),
        (Message, Message(Role.SYSTEM, 3, []), "Message.text_: 3 where a str is meant"),  # type: ignore[arg-type]
        (F32, 1e300, "too large"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(hint: Any, value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
        Hints().of(hint, "place").give(value)
    assert message in str(caught.value)


def test_types_of_an_interface_have_names() -> None:
    hints = Hints()
    assert hints.of(list[Chat], "chats").name == "list<chat>"
    assert hints.named == {
        "role": ["enum {} { system, cold-start }"],
        "message": [
            "record {} {",
            "    role: role,",
            "    text: string,",
            "    parts: list<list<u8>>,",
            "}",
        ],
        "chat-level": ["enum {} { low, very-high }"],
        "chat": [
            "record {} {",
            "    messages: list<message>,",
            "    seed: option<u32>,",
            "    level: chat-level,",
            "}",
        ],
    }
    assert hints.of(Level, "chat-level").name == "chat-level", "the same one"
    assert hints.of(Literal["a"], "role").name == "role2", "another one"
    assert hints.of(Literal["a", "list"], "type").name == "%type"
    assert hints.named["type"] == ["enum {} { a, %list }"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("chat", "chat"),
        ("cold_start_2", None),
        ("a1_b2", "a1-b2"),
        ("from_", "from"),
        ("a__b", None),
        ("getURL", None),
        ("żółw", None),
        ("_a", None),
        ("a" * 65, None),
    ],
)
def test_names_become_kebab_case(name: str, found: str | None) -> None:
    if found is not None:
        assert kebab(name) == found
        return
    with pytest.raises(BadHint, match="cannot be one of WIT"):
        kebab(name)
