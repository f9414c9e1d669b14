"""Names, addresses, patterns, and who may send to whom."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theater import addresses
from theater.addresses import check_address, check_pattern, check_segment, matches, permitted

LONGEST = "a" * 255

SEGMENT = st.from_regex(r"[a-z0-9_][a-z0-9_.-]{0,4}", fullmatch=True)
ADDRESS = st.lists(SEGMENT, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    "text", ["a", "pool/worker-1", "_x", "0", "a.b", "a-", "x/y/z", "counter_2", LONGEST]
)
def test_an_address_of_good_names_is_fine(text: str) -> None:
    assert check_address(text) is None
    assert check_pattern(text) is None


BAD = ["", "/", "a/", "/a", "a//b", "A", "-a", ".a", "a b", "é", "a\n", "a\0", "a/../b", "\ud800"]


@pytest.mark.parametrize("text", [*BAD, "*", "a/*", LONGEST + "a", "ab/" * 100])
def test_a_bad_address_gets_a_message_without_control_characters(text: str) -> None:
    problem = check_address(text)
    assert problem is not None
    assert problem.isprintable()
    assert len(problem) < 400


@pytest.mark.parametrize("text", [*BAD, "a***", "a**", "**b", "a/**b", "?", "[a]", LONGEST + "*"])
def test_a_bad_pattern_gets_a_message_without_control_characters(text: str) -> None:
    problem = check_pattern(text)
    assert problem is not None
    assert problem.isprintable()


@pytest.mark.parametrize("text", ["*", "**", "a/*", "a*b", "*a*", "a/**/b", "**/x", "pool/w-*"])
def test_stars_make_a_pattern_but_not_an_address(text: str) -> None:
    assert check_pattern(text) is None
    assert check_address(text) is not None


@pytest.mark.parametrize("text", ["", "a/b", "A", "*", LONGEST + "a", "a\x1b"])
def test_what_cannot_be_a_childs_name_is_refused(text: str) -> None:
    assert check_segment(text) is not None


def test_a_childs_name_may_be_as_long_as_an_address() -> None:
    assert check_segment(LONGEST) is None


def test_the_length_of_an_address_is_counted_in_bytes() -> None:
    assert "306 bytes" in (check_address("é" * 153) or "")


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a/b", False),
        ("a/b", "a/b", True),
        ("*", "a", True),
        ("*", "a/b", False),
        ("a/*", "a/b", True),
        ("a/*", "a", False),
        ("a/*", "a/b/c", False),
        ("a/*", "ab", False),
        ("*/b", "a/b", True),
        ("w-*", "w-1", True),
        ("w-*", "w-", True),
        ("w-*", "w", False),
        ("*-1", "w-1", True),
        ("*-1", "w-11", False),
        ("a*b*c", "axxbyyc", True),
        ("a*b*c", "axxbyy", False),
        ("a*b*c", "abcbc", True),
        ("*/*", "a/b", True),
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", True),
        ("a/**", "ab", False),
        ("**/z", "z", True),
        ("**/z", "a/b/z", True),
        ("**/z", "a/b/zz", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/b/c", False),
        ("**/b/**", "a/b/c", True),
        ("**/b/*", "a/b/b/c", True),
        ("**/*", "a", True),
        ("a/**/*", "a", False),
    ],
)
def test_patterns_cover_addresses(pattern: str, address: str, expected: bool) -> None:
    assert check_pattern(pattern) is None
    assert matches(pattern, address) is expected


@given(ADDRESS)
def test_two_stars_cover_everything_and_an_address_covers_itself(address: str) -> None:
    assert matches("**", address)
    assert matches(address, address)
    assert matches("/".join("*" * len(address.split("/"))), address)
    assert not matches(address + "/*", address)


@given(ADDRESS, ADDRESS)
def test_a_pattern_without_stars_covers_only_itself(one: str, other: str) -> None:
    assert matches(one, other) == (one == other)


def test_no_pattern_takes_long_to_judge() -> None:
    pattern = "a*" * 127 + "b"
    began_s = time.perf_counter()
    assert not matches(pattern, LONGEST)
    assert not matches("**/" * 80 + "b", "a/" * 127 + "a")
    assert time.perf_counter() - began_s < 5


@pytest.mark.parametrize(
    ("address", "above"), [("a", ""), ("a/b", "a"), ("a/b/c", "a/b"), ("", "")]
)
def test_the_parent_is_the_path_without_the_last_name(address: str, above: str) -> None:
    assert addresses.parent(address) == above


def test_a_childs_address_is_its_parents_and_its_name() -> None:
    assert addresses.child("", "a") == "a"
    assert addresses.child("a", "b") == "a/b"


@pytest.mark.parametrize(
    ("sender", "to", "expected"),
    [
        ("a", "b", True),  # sibling
        ("a", "a", True),  # itself
        ("a", "b/c", False),  # a sibling's child
        ("a", "a/x", True),  # own child
        ("a", "a/x/y", True),  # and below
        ("a", "ab/x", False),
        ("p/a", "p/b", True),
        ("p/a", "p", True),  # parent
        ("p/a", "q", False),  # the parent's sibling
        ("p/a", "q/a", False),
        ("p/a/b", "p", False),  # the grandparent
        ("p/a", "friend", True),  # has sent before
    ],
)
def test_by_default_an_actor_reaches_its_family_and_who_spoke_to_it(
    sender: str, to: str, expected: bool
) -> None:
    assert permitted(None, sender, to, {"friend"}) is expected


@pytest.mark.parametrize(
    ("patterns", "to", "expected"),
    [
        ((), "b", False),
        ((), "friend", False),
        (("b",), "b", True),
        (("b",), "c", False),  # a sibling, but not listed
        (("x/*", "b"), "x/y", True),
        (("x/*", "b"), "friend", False),
        (["**"], "q/r/s", True),
    ],
)
def test_patterns_alone_decide_when_there_are_any(
    patterns: tuple[str, ...] | list[str], to: str, expected: bool
) -> None:
    assert permitted(patterns, "a", to, {"friend"}) is expected
