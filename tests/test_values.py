"""What actors say is shown whole, readable, and never in control of the terminal."""

from __future__ import annotations

import base64
import json
import unicodedata
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theater.events import content_hash, ref
from theater.pack.codec import encode
from theater.pack.values import U64, Option
from theater.values import (
    DECODED_MAX,
    DEPTH_MAX,
    as_text,
    json_value,
    lines,
    shortened,
    text,
    visible,
)

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def is_harmless(shown: str) -> bool:
    return not any(unicodedata.category(char) in FORBIDDEN for char in shown)


@pytest.mark.parametrize(
    "said, shown",
    [
        ("plain", "plain"),
        ("Grüße, 世界 \u3000 🎭", "Grüße, 世界 \u3000 🎭"),
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("back\b\x7f", "back\\x08\\x7f"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202eevil\u2069", "\\u202eevil\\u2069"),
        ("zero\u200bwidth\ufeff\u00ad", "zero\\u200bwidth\\ufeff\\xad"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("half\ud800", "half\\ud800"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("private\ue000", "private\\ue000"),
        ("", ""),
    ],
)
def test_what_could_mislead_a_terminal_is_shown_by_its_number(said: str, shown: str) -> None:
    assert visible(said) == shown


@given(st.text(st.characters()))
def test_no_text_at_all_gets_through_unescaped(said: str) -> None:
    assert is_harmless(visible(said))
    assert all(is_harmless(line.replace("\t", "")) for line in lines(said))


@given(plain_values)
def test_every_value_has_a_harmless_text_and_strict_json(value: Any) -> None:
    for limit in (None, 0, 5):
        assert is_harmless(text(value, limit=limit))
    json.loads(json.dumps(json_value(value), allow_nan=False))


def test_characters_to_keep_stay() -> None:
    assert visible("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"
    assert visible("a\n\x1b" * 9000, keep="\n") == "a\n\\x1b" * 9000


def test_what_an_actor_says_in_several_lines_is_several_lines() -> None:
    assert lines("one\r\ntwo\n\nthree\x1b\n") == ["one", "two", "", "three\\x1b"]
    assert lines("") == [""]
    assert lines("tab\there") == ["tab\there"]


@pytest.mark.parametrize(
    "value, shown",
    [
        (None, "none"),
        (True, "true"),
        (-3, "-3"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ('say "hi" \\ \n', '"say \\"hi\\" \\\\ \\n"'),
        (b"text", '"text"'),
        (b"", '""'),
        (b"\x00\xff", "0x00ff (2 bytes)"),
        ([1, [b"a"]], '[1, ["a"]]'),
        ({"ok": None}, "ok"),
        ({"ok": [None, b"x"]}, 'ok([none, "x"])'),
        ({"err": "no"}, 'err("no")'),
        ({"name": "a", "is-ok": True}, '{name: "a", is-ok: true}'),
        ({"two words": 1, 3: 4}, '{"two words": 1, 3: 4}'),
        (ref(bytes(32)), "sha256:000000000000"),
        (msgpack.ExtType(9, b"x"), 'extension 9 "x"'),
        (
            msgpack.ExtType(2, msgpack.packb(["pool/a", 3, 9, bytes(32)])),
            "events 3 to 9 of pool/a",
        ),
        (msgpack.ExtType(2, b"\xc1"), "extension 2 0xc1 (1 bytes)"),
    ],
)
def test_a_value_as_text(value: Any, shown: str) -> None:
    assert text(value) == shown


def test_long_strings_are_shortened_and_say_how_long_they_are() -> None:
    assert text(b"x" * 100, limit=4) == '"xxxx..." (100 bytes)'
    assert text("é" * 100, limit=4) == '"éééé..." (100 characters)'
    assert text(b"\xff" * 100, limit=4) == "0xffff... (100 bytes)"
    assert text(b"x" * 100) == f'"{"x" * 100}"'
    assert shortened("abcdef", 5) == "ab..."
    assert shortened("abcde", 5) == "abcde"


def test_a_reference_is_shown_as_what_it_stands_for() -> None:
    content = b"the state"
    known = {content_hash(content): content}
    value = ref(content_hash(content))
    assert text([value], known.get) == '["the state"]'
    assert json_value([value], known.get) == [
        {"sha256": content_hash(content).hex(), "text": "the state"}
    ]
    assert json_value(value) == {"sha256": content_hash(content).hex()}


@pytest.mark.parametrize(
    "value, shown",
    [
        (b"text", {"text": "text"}),
        (b"\xff", {"base64": "/w=="}),
        (float("inf"), "inf"),
        ({1: b"a"}, {"1": {"text": "a"}}),
        (
            msgpack.ExtType(2, msgpack.packb(["a", 0, 1, b"\x01"])),
            {"chain": {"actor": "a", "first": 0, "last": 1, "head": "01"}},
        ),
        (msgpack.ExtType(9, b"x"), {"extension": 9, "text": "x"}),
    ],
)
def test_a_value_as_json(value: Any, shown: Any) -> None:
    assert json_value(value) == shown


def test_a_value_of_packs_is_shown_as_that_and_is_harmless() -> None:
    value = encode((U64(7), "\x1b[31m", Option(b"\x06", None)))
    shown = r'(7u64, "\x1b[31m", none<string>)'
    assert text({"ok": value}) == f"ok({shown})"
    found = json_value(value)
    assert found["pack"] == shown and found["text"].encode() == value
    assert "..." in text(encode("x" * 100), limit=20)
    assert text(b"CGRF") == '"CGRF"' and json_value(b"CGRF") == {"text": "CGRF"}


def test_a_large_value_of_packs_is_told_by_its_size_where_not_all_of_it_is_wanted() -> None:
    head = len(encode(b""))
    most = encode(bytes(DECODED_MAX - head))
    assert text(most, limit=20) == "[0u8, 0u8, 0u8, 0..."
    more = encode(b"\x1b" * (DECODED_MAX - head + 1))
    told = f"a value of Pack's... ({DECODED_MAX + 1} bytes)"
    assert text({"ok": more}, limit=60) == f"ok({told})"
    assert text(more).startswith("[27u8, ") and text(more).endswith(", 27u8]")
    found = json_value(more)
    assert found["pack"] == told and base64.b64decode(found["base64"]) == more
    other = b"CGRF\1\0" + bytes(DECODED_MAX)  # of a version that is none of ours
    assert text(other, limit=4).startswith("0x4347...")


def test_what_is_nested_without_end_is_cut() -> None:
    value: Any = 1
    for _ in range(DEPTH_MAX * 3):
        value = [value]
    assert "..." in text(value)
    assert "omitted" in json.dumps(json_value(value))


def test_bytes_that_are_no_readable_text_are_not_taken_for_one() -> None:
    assert as_text(b"caf\xc3\xa9\n") == "café\n"
    assert as_text(b"\xff") is None
    assert as_text(b"bell\x07") is None
