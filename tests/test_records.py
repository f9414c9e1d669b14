"""They are what the standard library makes of the same classes."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pickle
from collections.abc import Callable
from dataclasses import asdict, field, fields, replace
from functools import partial
from typing import Any, ClassVar

import pytest

from theater import records

SHAPES = ("Empty", "One", "Several", "Hidden", "Named", "Documented", "Own", "Late")
OPTIONS: tuple[dict[str, bool], ...] = (
    {},
    {"slots": True},
    {"slots": True, "eq": False},
    {"slots": True, "eq": False, "repr": False},
    {"frozen": True, "slots": True},
)


def shapes(dataclass: Any, options: dict[str, bool]) -> dict[str, Any]:
    """The same classes of all kinds, made by either."""
    made = dataclass(**options)

    @made
    class Empty:
        pass

    @made
    class One:
        only: int

    @made
    class Several:
        first: int
        second: str = "two"
        third: list[int] = field(default_factory=list)
        kind: ClassVar[str] = "several"

        def both(self) -> str:
            return f"{self.first}{self.second}"

    @made
    class Hidden:
        seen: int
        note: str = field(default="", repr=False, compare=False)

    @made
    class Named:
        first: int
        second: int = field(default=2, kw_only=True)
        third: int = 3

    @made
    class Documented:
        """What it is."""

        value: Any

    @made
    class Own:
        value: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and self.value % 2 == other.value % 2

        def __repr__(self) -> str:
            return "own"

    @made
    class Late:
        value: int
        double: tuple[Any, Any] = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", (self.value, self.value))

    return {name: value for name, value in locals().items() if name in SHAPES}


ARGUMENTS: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    ((), {}),
    ((1,), {}),
    ((2,), {}),
    ((3, 2), {}),
    ((1, "2"), {}),
    ((1, 2, 3), {}),
    ((1, 2, 3, 4), {}),
    ((1,), {"second": 5}),
    ((1,), {"note": "n"}),
    ((), {"value": 1}),
    ((), {"unknown": 1}),
    ((math.nan,), {}),
)
EACH = [
    pytest.param(shape, options, id=f"{shape}-{'-'.join(options)}")
    for shape, options in itertools.product(SHAPES, OPTIONS)
]


def both(shape: str, options: dict[str, bool]) -> tuple[Any, Any]:
    ours, theirs = (shapes(it, options) for it in (records.dataclass, dataclasses.dataclass))
    return ours[shape], theirs[shape]


def told(action: Callable[[], Any]) -> Any:
    """What comes of it, or the error."""
    try:
        return action()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


def objects(cls: Any) -> list[Any]:
    """One for each of the arguments that it takes."""
    made = [told(partial(cls, *arguments, **named)) for arguments, named in ARGUMENTS]
    return [it for it in made if isinstance(it, cls)]


@pytest.mark.parametrize("shape,options", EACH)
def test_the_class_has_the_same_fields_and_slots(shape: str, options: dict[str, bool]) -> None:
    ours, theirs = both(shape, options)
    for attribute in ("__qualname__", "__module__", "__match_args__", "__slots__"):
        assert getattr(ours, attribute, None) == getattr(theirs, attribute, None)
    assert [it.name for it in fields(ours)] == [it.name for it in fields(theirs)]
    assert hasattr(ours(1) if fields(ours) else ours(), "__dict__") == ("slots" not in options)


@pytest.mark.parametrize("shape,options", EACH)
def test_it_takes_the_same_arguments_and_refuses_others_with_the_same_words(
    shape: str, options: dict[str, bool]
) -> None:
    ours, theirs = both(shape, options)
    for arguments, named in ARGUMENTS:
        one = told(partial(ours, *arguments, **named))
        other = told(partial(theirs, *arguments, **named))
        if isinstance(other, theirs):
            assert asdict(one) == asdict(other) or arguments[0] != arguments[0]
            if options.get("repr", True):
                assert repr(one) == repr(other)
        else:
            assert one == other


@pytest.mark.parametrize("shape,options", EACH)
def test_it_is_equal_and_hashed_like_the_same(shape: str, options: dict[str, bool]) -> None:
    ours, theirs = both(shape, options)
    pairs = list(zip(objects(ours), objects(theirs), strict=True))
    for (one, other), (another, yet) in itertools.product(pairs, repeat=2):
        assert (one == another) == (other == yet)
        assert (one != another) == (other != yet)
        assert one != other
    if options.get("eq", True):
        for one, other in pairs:
            hashed = told(partial(hash, one)), told(partial(hash, other))
            assert hashed[0] == hashed[1]


@pytest.mark.parametrize("shape,options", EACH)
def test_it_can_be_changed_where_it_is_not_frozen(shape: str, options: dict[str, bool]) -> None:
    ours, theirs = both(shape, options)
    for name in [it.name for it in fields(ours)]:
        one, other = ours(1), theirs(1)
        for change, *value in ((setattr, 9), (delattr,)):
            said = [told(partial(change, it, name, *value)) for it in (one, other)]
            assert said[0] == said[1]
        assert hasattr(one, name) == hasattr(other, name)


@pytest.mark.parametrize("shape,options", EACH)
def test_it_can_be_copied_with_a_change(shape: str, options: dict[str, bool]) -> None:
    ours, theirs = both(shape, options)
    for one, other in zip(objects(ours), objects(theirs), strict=True):
        name = next((it.name for it in fields(ours) if it.init), None)
        change = {name: 7} if name else {}
        assert asdict(replace(one, **change)) == asdict(replace(other, **change))


@records.dataclass(frozen=True, slots=True)
class Pickled:
    value: int
    more: tuple[int, ...] = ()


def test_what_is_frozen_is_pickled_and_matched() -> None:
    again = pickle.loads(pickle.dumps(Pickled(1, (2,))))
    assert again == Pickled(1, (2,))
    match again:
        case Pickled(1, more):
            assert more == (2,)
        case _:
            pytest.fail("it did not match")
