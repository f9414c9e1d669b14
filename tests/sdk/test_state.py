"""States are written down and read back as what their types say."""

from __future__ import annotations

import datetime
import enum
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from theater_actor import StateError
from theater_actor.state import decode, encode, initial


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: float | None = None


@dataclass
class State:
    count: int = 0
    items: list[Item] = field(default_factory=list)
    by_name: dict[str, Item] = field(default_factory=dict)
    by_number: dict[int, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    pair: tuple[int, str] = (1, "a")
    many: tuple[int, ...] = ()
    raw: bytes = b""
    colour: Colour = Colour.RED
    at: datetime.datetime | None = None
    anything: Any = None


FULL = State(
    count=3,
    items=[Item("apple", 2.5), Item("tea")],
    by_name={"tea": Item("tea", 1.0)},
    by_number={7: "seven"},
    seen={"b", "a"},
    pair=(2, "b"),
    many=(1, 2, 3),
    raw=b"\x00\xff",
    at=datetime.datetime(2026, 1, 2, 3, 4, 5),
    anything={"x": [1, None, "y"]},
)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (FULL, State),
        (State(), State),
        ({"a": [1, 2.5, None, True]}, dict),
        ([1, "two"], list),
        (7, int),
        ("words", str),
        (b"\xffraw", bytes),
        ([Item("a")], list[Item]),
        ({"a": 1}, Any),
    ],
    ids=["full", "empty", "dict", "list", "int", "str", "bytes", "list of dataclasses", "any"],
)
def test_what_is_written_is_read_back(value: Any, type_: Any) -> None:
    data = encode(value, type_)
    assert data is not None and decode(data, type_) == value
    assert encode(decode(data, type_), type_) == data, "the same state is the same bytes"


def test_none_is_no_state_and_no_state_is_the_types_beginning() -> None:
    assert encode(None, State) is None
    assert decode(None, State) == State()
    assert [initial(each) for each in (dict, list, int, bytes, str)] == [{}, [], 0, b"", ""]
    assert initial(State | None) is None and initial(Any) is None
    with pytest.raises(StateError, match="Item has no beginning of its own"):
        initial(Item)


def test_the_order_of_a_set_is_none_of_its_bytes() -> None:
    one = encode(State(seen={"a", "b", "c"}), State)
    assert one == encode(State(seen={"c", "b", "a"}), State)


def test_a_field_that_is_new_gets_its_default_and_one_that_is_gone_is_told() -> None:
    assert decode(b'{"count": 4}', State) == State(count=4)
    with pytest.raises(StateError, match=r"state has 'price', which State has not; .*upgrade"):
        decode(b'{"price": 4}', State)
    with pytest.raises(StateError, match=r"state.items\[0\] is not all of a Item: .*'name'"):
        decode(b'{"items": [{}]}', State)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "state is .*, and should be a State"),
        (b'{"count": "4"}', "state.count is '4', and should be a int"),
        (b'{"count": true}', "state.count is True"),
        (b'{"items": 3}', "state.items is 3"),
        (b'{"pair": [1]}', "1 items are not"),
    ],
)
def test_what_is_another_state_is_told_by_its_place(data: bytes, told: str) -> None:
    with pytest.raises(StateError, match=told):
        decode(data, State)


@pytest.mark.parametrize(
    ("value", "type_", "told"),
    [
        (State(anything=object()), State, "state.anything holds <object"),
        (State(anything=b"x"), State, "state.anything holds bytes, and its type does not say so"),
        ({(1, 2): 3}, dict, "keys are strings or ints"),
        (float("nan"), float, "inf or nan"),
        ("text", bytes, "said to be bytes"),
    ],
)
def test_what_cannot_be_kept_is_told_by_its_place(value: Any, type_: Any, told: str) -> None:
    with pytest.raises(StateError, match=told):
        encode(value, type_)


def test_text_is_a_state_where_the_state_is_text() -> None:
    assert decode(b"apple 3", str) == "apple 3"
    assert decode(json.dumps("apple").encode(), str) == "apple"
