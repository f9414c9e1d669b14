"""Values go into a guest, out of it to a host function, and back the same way, unchanged."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.guests import FUEL, MIB, FakeHost, Type, passing_through, resident_bytes, start
from theater.worker.failure import GuestFailure
from theater.worker.instance import Instance

GUEST = "test:abi/guest"
POINT: Type = ("record", {"x": "u32", "y": "f64"})
SHAPE: Type = ("variant", {"none": None, "named": "string", "at": POINT, "raw": ("list", "u8")})
STATE: Type = ("option", ("list", "u8"))
EVERYTHING: Type = (
    "record",
    {
        "on": "bool",
        "many": ("list", SHAPE),
        "maybe": ("option", ("option", "s16")),
        "pair": ("tuple", "char", ("result", ("list", "string"), ("enum", ["slow", "gone"]))),
        "marks": ("flags", ["a", "b", "c"]),
        "more": ("list", ("tuple", "u64", "f32", "s8", STATE)),
    },
)


def through(type: Type, value: Any) -> tuple[Any, Any]:
    """(what the host function got, what the call answered) for `value`."""
    host = FakeHost(answer=lambda _function, args: args[0])
    instance = start(passing_through(type), host)
    try:
        answer, _fuel = instance.call(GUEST, "run", [value], FUEL)
        return host.calls[0][2][0], answer
    finally:
        instance.close()


VALUES: list[tuple[Type, Any]] = [
    ("bool", True),
    ("bool", False),
    ("s8", -128),
    ("u8", 255),
    ("s16", -(2**15)),
    ("u16", 2**16 - 1),
    ("s32", -(2**31)),
    ("u32", 2**32 - 1),
    ("s64", -(2**63)),
    ("u64", 2**64 - 1),
    ("f32", 1.5),
    ("f32", math.inf),
    ("f64", -0.1),
    ("f64", 5e-324),
    ("char", "a"),
    ("char", "\U0001f3ad"),
    ("string", ""),
    ("string", "Grüße, 世界 \U0001f3ad\0!"),
    ("string", "x" * 200_000),
    (("list", "u8"), b""),
    (("list", "u8"), b"\0"),
    (("list", "u8"), bytes(range(256)) * 16),
    (("list", "u8"), bytes(range(256)) * 17),
    (("list", "u8"), bytes(range(251)) * 1200),
    (("list", "u32"), []),
    (("list", "u32"), list(range(3000))),
    (("list", "bool"), [True, False]),
    (("list", "string"), ["a", "", "ccc"]),
    (("list", ("list", "u8")), [b"", b"a", b"bb"]),
    (("tuple", "u8"), [1]),
    (("tuple", "u8", "string", ("list", "u8")), [1, "two", b"three"]),
    (("tuple", *["u32"] * 17), list(range(17))),
    (STATE, None),
    (STATE, b""),
    (STATE, b"state"),
    (("option", ("option", "u8")), None),
    (("option", ("option", "u8")), [None]),
    (("option", ("option", "u8")), [7]),
    (("option", ("option", ("option", "u8"))), [[None]]),
    (("result", None, None), {"ok": None}),
    (("result", None, None), {"err": None}),
    (("result", "u8", "string"), {"ok": 1}),
    (("result", "u8", "string"), {"err": "no"}),
    (("result", None, "string"), {"ok": None}),
    (("result", ("tuple", STATE), "string"), {"ok": [b"new"]}),
    (POINT, {"x": 1, "y": 2.5}),
    (SHAPE, "none"),
    (SHAPE, {"named": "n"}),
    (SHAPE, {"at": {"x": 0, "y": -1.0}}),
    (SHAPE, {"raw": b"\xff"}),
    (("enum", ["one", "two"]), "two"),
    (("flags", ["a", "b", "c"]), []),
    (("flags", ["a", "b", "c"]), ["a", "c"]),
    (
        EVERYTHING,
        {
            "on": True,
            "many": ["none", {"named": ""}, {"at": {"x": 9, "y": 0.5}}, {"raw": b"xyz"}],
            "maybe": [-1],
            "pair": ["z", {"ok": ["a", "b"]}],
            "marks": ["b"],
            "more": [[2**63, -0.5, -1, None], [0, 0.0, 127, b"q"]],
        },
    ),
]


@pytest.mark.parametrize(("type", "value"), VALUES, ids=lambda of: repr(of)[:40])
def test_a_value_comes_back_as_it_went(type: Type, value: Any) -> None:
    got, answer = through(type, value)
    assert got == value
    assert answer == value
    assert repr(got) == repr(answer) == repr(value)  # bool is not int, fields keep their order


def test_nan_stays_nan() -> None:
    got, answer = through("f64", math.nan)
    assert math.isnan(got) and math.isnan(answer)


def test_flags_come_back_in_declared_order() -> None:
    _got, answer = through(("flags", ["a", "b", "c"]), ["c", "a"])
    assert answer == ["a", "c"]


def test_record_fields_may_be_given_in_any_order_and_come_back_in_the_declared_one() -> None:
    _got, answer = through(POINT, {"y": 1.0, "x": 2})
    assert list(answer) == ["x", "y"]


def test_a_bytearray_and_a_tuple_do_for_bytes_and_a_list() -> None:
    assert through(("list", "u8"), bytearray(b"ab"))[1] == b"ab"
    assert through(("tuple", "u8", "u8"), (1, 2))[1] == [1, 2]


_strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_points = st.fixed_dictionaries({"x": st.integers(0, 2**32 - 1), "y": st.floats(allow_nan=False)})
_states = st.none() | st.binary(max_size=50)
_everything = st.fixed_dictionaries(
    {
        "on": st.booleans(),
        "many": st.lists(
            st.just("none")
            | st.fixed_dictionaries({"named": _strings})
            | st.fixed_dictionaries({"at": _points})
            | st.fixed_dictionaries({"raw": st.binary(max_size=50)}),
            max_size=5,
        ),
        "maybe": st.none() | st.lists(st.none() | st.integers(-100, 100), min_size=1, max_size=1),
        "pair": st.tuples(
            st.characters(exclude_categories=["Cs"]),
            st.fixed_dictionaries({"ok": st.lists(_strings, max_size=3)})
            | st.fixed_dictionaries({"err": st.sampled_from(["slow", "gone"])}),
        ).map(list),
        "marks": st.sampled_from([[], ["a"], ["a", "b"], ["c"], ["a", "b", "c"]]),
        "more": st.lists(
            st.tuples(
                st.integers(0, 2**64 - 1),
                st.floats(width=32, allow_nan=False),
                st.integers(-128, 127),
                _states,
            ).map(list),
            max_size=4,
        ),
    }
)


@pytest.fixture(scope="module")
def everything() -> tuple[FakeHost, Instance]:
    host = FakeHost(answer=lambda _function, args: args[0])
    return host, start(passing_through(EVERYTHING), host)


@settings(max_examples=150, deadline=None)
@given(value=_everything)
def test_any_value_comes_back_as_it_went(
    everything: tuple[FakeHost, Instance], value: dict[str, Any]
) -> None:
    host, instance = everything
    host.calls.clear()
    assert instance.call(GUEST, "run", [value], FUEL)[0] == value
    assert host.calls[0][2][0] == value


WRONG: list[tuple[Type, Any, str]] = [
    ("bool", 1, "bool takes True or False, not int 1"),
    ("u8", True, "u8 takes an int, not bool True"),
    ("u8", 256, "256 does not fit u8"),
    ("u8", -1, "-1 does not fit u8"),
    ("s8", 128, "128 does not fit s8"),
    ("u64", 2**64, "does not fit u64"),
    ("s64", -(2**63) - 1, "does not fit s64"),
    ("u32", 1.0, "u32 takes an int, not float 1.0"),
    ("f64", "1", "f64 takes a float, not str '1'"),
    ("f32", 1e300, "does not fit f32"),
    ("f64", 10**400, "does not fit f64"),
    ("char", "ab", "char takes a str of one character"),
    ("char", "", "char takes a str of one character"),
    ("char", "\ud800", "surrogate"),
    ("string", b"x", "string takes a str, not bytes"),
    ("string", "\udfff", "surrogates not allowed"),
    (("list", "u8"), "x", "list<u8> takes bytes, not str 'x'"),
    (("list", "u8"), [1], "list<u8> takes bytes, not list"),
    (("list", "u32"), b"x", "list takes a list"),
    (("list", "u32"), [1, "2"], "u32 takes an int"),
    (("tuple", "u8", "u8"), [1], "tuple has 2 elements, not 1"),
    (("tuple", "u8", "u8"), "ab", "tuple takes a list"),
    (POINT, {"x": 1}, "record lacks y"),
    (POINT, {"x": 1, "y": 0.0, "z": 1}, "record has no z"),
    (POINT, [1, 2.0], "record takes a dict"),
    (("option", ("option", "u8")), 7, "takes None or [value], not int 7"),
    (("result", "u8", None), {"ok": 1, "err": 2}, "result takes"),
    (("result", "u8", None), {"fine": 1}, "result has the cases ok and err"),
    (("result", "u8", None), {"err": 1}, "err of this result has no payload"),
    (("result", "u8", None), {"ok": None}, "u8 takes an int, not NoneType None"),
    (SHAPE, "round", "variant has no case str 'round'; it has none, named, at, raw"),
    (SHAPE, "named", "case named of this variant has a payload"),
    (SHAPE, {"none": 1}, "case none of this variant has no payload"),
    (SHAPE, 3, "variant takes"),
    (("enum", ["one"]), "two", "enum has no case str 'two'; it has one"),
    (("enum", ["one"]), 1, "enum takes a str"),
    (("flags", ["a"]), ["b"], "flags has no str 'b'; it has a"),
    (("flags", ["a"]), "a", "flags takes a list of names"),
]


@pytest.mark.parametrize(("type", "value", "text"), WRONG, ids=lambda of: repr(of)[:40])
def test_a_wrong_argument_is_refused_and_the_instance_goes_on(
    type: Type, value: Any, text: str
) -> None:
    good = next(value for known, value in VALUES if known == type) if type in TYPES else None
    host = FakeHost(answer=lambda _function, args: args[0])
    instance = start(passing_through(type), host)
    with pytest.raises((TypeError, ValueError)) as caught:
        instance.call(GUEST, "run", [value], FUEL)
    assert text in str(caught.value)
    assert str(caught.value).startswith("argument `x`: ")
    assert host.calls == []
    if good is not None:
        assert instance.call(GUEST, "run", [good], FUEL)[0] == good


TYPES = [type for type, _value in VALUES]


@pytest.mark.parametrize(("type", "value", "text"), WRONG[:8], ids=lambda of: repr(of)[:40])
def test_a_wrong_answer_of_a_host_function_is_a_trap_that_names_it(
    type: Type, value: Any, text: str
) -> None:
    good = next(value for known, value in VALUES if known == type)
    instance = start(passing_through(type), FakeHost(answer=lambda _function, _args: value))
    with pytest.raises(GuestFailure) as caught:
        instance.call(GUEST, "run", [good], FUEL)
    assert caught.value.kind == "trap"
    assert caught.value.message.startswith("test:abi/host.f: ")
    assert text in caught.value.message


def test_the_wrong_number_of_arguments_is_refused() -> None:
    instance = start(passing_through("u8"))
    with pytest.raises(TypeError, match="takes 1 arguments, not 2"):
        instance.call(GUEST, "run", [1, 2], FUEL)


@pytest.mark.parametrize(
    ("type", "value", "calls"),
    [
        (("tuple", STATE, ("tuple", ("list", "u8"))), [b"state", [b"m" * 100]], 40_000),
        (("result", ("tuple", STATE), "string"), {"err": "no " * 50}, 30_000),
        (EVERYTHING, VALUES[-1][1], 10_000),
        (("list", "u8"), b"x" * 5000, 2_000),
    ],
    ids=["state and message", "error", "everything", "long bytes"],
)
def test_a_hundred_thousand_calls_take_no_more_memory_than_a_few(
    type: Type, value: Any, calls: int
) -> None:
    host = FakeHost(answer=lambda _function, args: args[0])
    instance = start(passing_through(type), host)

    def call(count: int) -> None:
        for _ in range(count):
            instance.call(GUEST, "run", [value], FUEL)
            host.calls.clear()

    call(500)
    before = resident_bytes()
    call(calls)
    # 30,000 calls that lose one allocation of 100 bytes would lose 3 MB.
    assert resident_bytes() - before < 1 * MIB
