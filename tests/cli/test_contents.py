"""What a message or a state holds, in lines: whole, harmless, and no more made than wanted."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgpack
import pytest

from theater import difference, values
from theater.cli.contents import LINE_MAX, LINES_MAX, content, content_lines, content_parts
from theater.pack.codec import encode
from theater.pack.values import U64, Record

LONG = {"name": "x" * 60, "items": [{"price": 4}, [], {}], "esc": "\x1b[31m"}


@pytest.mark.parametrize(
    "body, expected",
    [
        (None, ["none"]),
        (b"", ["empty"]),
        (b"one", ["one"]),
        (b"one\r\ntwo\n", ["one", "two"]),
        (b"one\n\n", ["one", ""]),
        (b'{"a": 1}\n', ['{"a": 1}']),
        (b'{"a":\n1}', ['{"a":', "1}"]),
        (json.dumps(LONG).encode(), json.dumps(LONG, indent=2).splitlines()),
        (msgpack.packb({"a": [1, "two"]}), ['{a: [1, "two"]}']),
        (
            msgpack.packb(LONG),
            [
                "{",
                f'  name: "{"x" * 60}",',
                "  items: [{price: 4}, [], {}],",
                '  esc: "\\x1b[31m"',
                "}",
            ],
        ),
        (b"\xff" * 17, None),
    ],
)
def test_all_of_it_is_shown(body: bytes | None, expected: list[str] | None) -> None:
    found = list(content_lines(body, "none"))
    if body:
        assert "".join(content_parts(body)) == "".join(f"{line}\n" for line in found)
    assert not any("\x1b" in line for line in found)
    if expected is None:
        assert found[1] == f"00000010  {'ff':<23}  {'':<23}  |.|"
    elif body is not None and body.startswith(b'{"name"'):
        assert [json.loads("\n".join(found)), len(found)] == [LONG, len(expected)]
    else:
        assert found == expected


@pytest.mark.parametrize(
    "body",
    [
        msgpack.packb([{"a": 1}] * 20_000 + ["x"]),
        b"[" + b'{"a":1},' * 20_000 + b"0]",
        b"\xff" * 200_000,
    ],
)
def test_of_a_large_one_no_more_is_made_than_the_lines_that_are_shown(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = itertools.count()
    text, visible = values.text, values.visible

    def counted(function: Any) -> Any:
        def call(*args: Any, **more: Any) -> str:
            next(made)
            return str(function(*args, **more))

        return call

    monkeypatch.setattr(values, "text", counted(text))
    monkeypatch.setattr(values, "visible", counted(visible))
    shown = list(content(body, "none", "more"))
    assert len(shown) == LINES_MAX + 1 and shown[-1] == "  ... more"
    assert next(made) < 10 * LINES_MAX


def test_a_list_that_is_gone_is_not_told_whole() -> None:
    (line,) = difference.told({"a": list(range(10_000)), "b": 1}, {"b": 1})
    assert line.startswith("a: removed [0, 1, 2, ") and line.endswith("...") and len(line) < 250


def test_the_state_of_a_package_is_shown_as_a_value() -> None:
    state = Record("counter", (("count", U64(3)), ("last", b"hi"), ("name", "a\x1bb")))
    (line,) = content_lines(encode(state), "none")
    assert line.startswith("counter{count: 3u64, last: [104u8, 105u8], name: ")
    assert "\x1b" not in line
    assert len(next(iter(content_lines(encode(b"x" * 1000), "none")))) == 2 + 1000 * 5 + 999 * 2
    assert next(iter(content_lines(b"CGRF\x02\x00 and more", "none"))).startswith("0000")


def test_a_value_of_packs_is_one_line_whatever_its_names_are() -> None:
    state = encode(Record("a\nb", (("c\x1b\u2028", U64(3)),)))
    assert list(content_lines(state, "none")) == [r"a\nb{c\x1b\u2028: 3u64}"]
    assert "".join(content_parts(state)) == "a\\nb{c\\x1b\\u2028: 3u64}\n"


def test_of_a_large_value_of_packs_no_more_is_made_than_is_shown() -> None:
    state = encode(b"\0" * 1_000_000)
    assert list(content(state, "none", "more")) == [f"  {'[' + '0u8, ' * 39}0...", "  ... more"]
    assert LINE_MAX <= len(next(content_lines(state, "none", LINE_MAX))) < 20_000
    parts = content_parts(state)
    assert len(next(parts)) < 20_000
    assert sum(map(len, parts)) > 4_000_000
