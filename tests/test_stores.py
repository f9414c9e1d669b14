"""Who may use which store, and what stores, labels and contents can be called."""

from __future__ import annotations

from typing import Any

import pytest

from theater import stores
from theater.calls import LOOKUPS, STORE
from theater.capabilities import HANDLERS, check_handler
from theater.capabilities.capability import Call, Usage
from theater.capabilities.store import STORES_MAX, within
from theater.stores import Access, check_hash, check_label, directory_of

HASH = "ab" * 32


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("l", None),
        ("with space, and ümlaut/../", None),
        ("x" * 255, None),
        ("x" * 256, "too-large: a label of 256 bytes; it has at most 255"),
        ("ü" * 128, "too-large: a label of 256 bytes"),
        ("", "refused: a label cannot be empty"),
        ("a\nb", 'refused: "a\\nb" has a control character'),
        ("\x00", "refused:"),
        ("\x7f", "refused:"),
        ("\x9b", "refused:"),
    ],
)
def test_labels(label: str, word: str | None) -> None:
    found = check_label(label)
    assert (found is None) if word is None else (found or "").startswith(word), found


@pytest.mark.parametrize(
    "text",
    ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "\n", "../" + "a" * 61, "٣" * 64],
)
def test_what_is_no_hash(text: str) -> None:
    assert (check_hash(text) or "").startswith("refused: ")


def test_a_hash_is_64_digits() -> None:
    assert check_hash(HASH) is None


ACCESS = Access.of("pool/a", {"shared": ["catalog", "b:3:1"], "read_only": ["prices"]})


@pytest.mark.parametrize(
    ("store", "reads", "writes"),
    [
        ("pool/a:1:0", True, True),
        ("pool/a:12:345", True, True),
        ("catalog", True, True),
        ("b:3:1", True, True),  # another actor's own, which the manifest shares
        ("prices", True, False),
        ("nobody", False, False),
        ("b:3:2", False, False),
        ("pool/ab:1:0", False, False),
        ("pool:1:0", False, False),
        ("pool/a", False, False),
        ("pool/a:1", False, False),
        ("pool/a:1:0:2", False, False),
        ("pool/a:01:0", False, False),
        ("pool/a:1:-1", False, False),
        ("pool/a:1:٣", False, False),
        ("pool/a:1:0\n", False, False),
        ("", False, False),
        ("x" * 321, False, False),
    ],
)
def test_an_actor_has_its_own_stores_and_those_of_its_manifest(
    store: str, reads: bool, writes: bool
) -> None:
    for asks, may in ((False, reads), (True, writes)):
        wrong = ACCESS.why_not(store, asks)
        assert (wrong is None) == may
        assert may or (wrong or "").startswith(("refused: ", "too-large: "))
    assert (ACCESS.may_read(store), ACCESS.may_write(store)) == (reads, writes)


def test_what_is_read_only_says_so() -> None:
    expected = 'refused: the manifest of pool/a grants store "prices" read-only'
    assert ACCESS.why_not("prices", writes=True) == expected


def test_no_id_leads_out_of_the_directory_and_no_two_into_one() -> None:
    ids = ["..", "a/b", "a", "unfinished", "x" * 320, "ü", directory_of("a")]
    names = {directory_of(id) for id in ids}
    assert len(names) == len(ids) and stores.UNFINISHED not in names
    assert all(check_hash(name) is None for name in names)


@pytest.mark.parametrize(
    ("settings", "where", "words"),
    [
        ({"shared": "catalog"}, ("shared",), 'must be an array of store ids, as in ["catalog"]'),
        ({"shared": [1]}, ("shared", 0), "found 1; must be a store id"),
        ({"shared": ["a", ""]}, ("shared", 1), "a store id cannot be empty"),
        ({"shared": ["a\n"]}, ("shared", 0), "has a control character"),
        ({"read_only": ["x" * 256]}, ("read_only", 0), "a store id of 256 bytes"),
        ({"read_only": ["a", "a"]}, ("read_only", 1), '"a" is there twice'),
        ({"shared": ["a"], "read_only": ["b", "a"]}, ("read_only", 1), '"a" is in shared too'),
        ({"readonly": []}, ("readonly",), 'did you mean "read_only"?'),
        ({"share": []}, ("share",), 'did you mean "shared"?'),
    ],
)
def test_settings_that_are_wrong(
    settings: dict[str, object], where: tuple[str | int, ...], words: str
) -> None:
    ((place, message),) = check_handler("store", settings)
    assert place == where and words in message


@pytest.mark.parametrize("settings", [{}, {"shared": []}, {"shared": ["a"], "read_only": ["b"]}])
def test_settings_that_are_right(settings: dict[str, object]) -> None:
    assert check_handler("store", settings) == []


def usage(*calls: tuple[str, list[Any], Any]) -> Usage:
    found = HANDLERS["store"].usage(lambda _actor, _other: False)
    for function, arguments, answer in calls:
        is_ask = function in LOOKUPS
        assert found.call(Call("a", STORE, function, arguments, answer, is_ask))
    return found


def test_what_was_used_of_it_is_granted_and_no_more() -> None:
    done, refused = {"ok": None}, {"err": "refused: no"}
    found = usage(
        ("new", [], {"ok": "a:1:1"}),
        ("store", ["a:1:1", b"x"], done),
        ("store", ["b", b"x"], done),
        ("get", ["b", {}], done),
        ("get", ["c", {}], done),
        ("list-labels", ["d"], {"ok": []}),
        ("label", ["nobody", "l", {}], refused),
        ("get", [], done),
    )
    granted = {"shared": ["b", "c", "e"], "read_only": ["d", "f"]}
    assert found.settings(granted) == {"shared": ["b"], "read_only": ["c", "d"]}
    assert found.told() == ["made 1", "wrote b", "read b, c, d"]
    assert found.facts() == {
        "made": 1,
        "written": ["b"],
        "read": ["b", "c", "d"],
        "others": False,
    }
    assert (usage().settings(granted), usage().told()) == ({}, [])


def test_who_uses_very_many_stores_needs_what_is_granted() -> None:
    calls: list[tuple[str, list[Any], Any]] = [
        ("store", [str(n), b""], {"ok": None}) for n in range(STORES_MAX + 1)
    ]
    found = usage(*calls)
    assert found.settings({"shared": ["many"]}) == {"shared": ["many"]}
    assert found.told()[-1] == "and others"


@pytest.mark.parametrize(
    ("child", "exceeds"),
    [
        ({}, None),
        ({"shared": ["a"]}, None),
        ({"read_only": ["a", "b", "r"]}, None),
        ({"shared": ["a", "r"]}, "shared has r"),
        ({"shared": ["x"]}, "shared has x"),
        ({"shared": ["a"], "read_only": ["x"]}, "read_only has x"),
    ],
)
def test_what_can_be_handed_on(child: dict[str, list[str]], exceeds: str | None) -> None:
    assert within(child, {"shared": ["a", "b"], "read_only": ["r"]}) == exceeds
