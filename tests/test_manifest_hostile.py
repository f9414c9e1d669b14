"""Whatever a file holds, it is a system or a ManifestError, soon, and safe to print."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theater.errors import ManifestError
from theater.manifest import MANIFEST_MAX_BYTES, parse
from theater.manifest_check import DEPTH_MAX
from theater.manifest_findings import PROBLEMS_MAX, path_text
from theater.manifest_schema import ChildTable, SingleTable, SupervisorTable, SystemTable
from theater.spec import SystemSpec

GOOD = """
name = "shop"
durability = "disk"
head_every = 60
[supervisor]
strategy = "one_for_one"
intensity = 3
auto_shutdown = "any_significant"
backoff = { base = 1, factor = 2, max = 9, jitter = 0.5, settled = 9 }
[defaults.limits]
memory = "64MiB"
[[child]]
name = "counter"
component = "counter.wat"
shutdown = "5s"
restart = "transient"
significant = true
initial_state = { json = { a = [1, 2.5] } }
env = { A = "b" }
[[child.handler]]
type = "message-server"
send_to = ["pool/*"]
[[child]]
name = "pool"
[child.supervisor]
strategy = "simple_one_for_one"
period = 5
instances = 2
[[child.child]]
name = "w"
component = "w.wat"
"""


def judge(text: str | bytes) -> SystemSpec | ManifestError:
    try:
        return parse(text, "m.toml")
    except ManifestError as error:
        assert error.problems
        assert len(error.problems) <= PROBLEMS_MAX + 1
        assert all(line.isprintable() for line in str(error).split("\n"))
        assert str(error).count("\n") == len(error.problems) - 1
        return error


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    judge(text)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_judged(content: bytes) -> None:
    judge(content)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = GOOD
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(begin + 12, len(text))))
        insert = draw(
            st.one_of(
                st.text(max_size=5),
                st.text("[]{}=\"'.#\n,\\-_ tf019aue\x00\x1b", max_size=8),
                st.sampled_from([GOOD[i : i + 20] for i in range(0, len(GOOD), 7)]),
            )
        )
        text = text[:begin] + insert + text[end:]
    return text


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_any_mutation_of_a_good_manifest_is_judged(text: str) -> None:
    judge(text)


KNOWN = sorted(
    {
        key
        for model in (SystemTable, SingleTable, ChildTable)
        for key in [
            *model.model_fields,
            "memory",
            "fuel",
            "send_to",
            "type",
            *SupervisorTable.model_fields,
        ]
    }
)
KEYS = st.one_of(st.sampled_from(KNOWN), st.text(max_size=3))
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["simple_one_for_one", "any_significant", "transient"]),
    st.sampled_from(["permanent", "runtime", "64MiB", "5s", "one_for_one", "a", "infinity"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{json.dumps(key)} = {to_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = (f"\\U{ord(c):08x}" if not c.isalnum() else c for c in value)
        return '"' + "".join(escaped) + '"'
    return repr(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=6))
def test_any_values_under_known_keys_are_judged(tables: dict[str, Any]) -> None:
    lines = "\n".join(f"{key} = {to_toml(value)}" for key, value in tables.items())
    judge(lines)
    judge(f'name = "s"\nchild = [{to_toml(tables)}, {to_toml({"name": "a", **tables})}]')


def pools_in_pools(name: str, depth: int, instances: int = 0) -> str:
    """Pools of the given number of instances, the innermost of as many as can be."""
    text = ""
    for level in range(depth):
        header = ".".join(["child"] * (level + 1))
        count = 10_000 if level == depth - 1 else instances
        pool = f'strategy = "simple_one_for_one", instances = {count}'
        text += f'[[{header}]]\nname = "{name}"\nsupervisor = {{ {pool} }}\n'
    return text + f'[[{header}.child]]\nname = "w"\ncomponent = "w.wat"\n'


MEGABYTE = MANIFEST_MAX_BYTES - 100
ACTOR = 'name = "s"\n[[child]]\nname = "a"\ncomponent = "a.wat"\n'
MANY = MEGABYTE - len(ACTOR) - 100
HEAVY = {
    "many wrong arguments": f"{ACTOR}args = [{'1,' * (MANY // 2)}]",
    "many wrong variables": ACTOR
    + "[child.env]\n"
    + "".join(f"'={i}' = 1\n" for i in range(MANY // 13)),
    "many children that are none": f"child = [{'1,' * (MANY // 2)}]",
    "one key of many parts": "a." * (MEGABYTE // 2) + "b = 1",
    "a header of many parts": "[" + "child." * (MEGABYTE // 6) + "x]",
    "keys of many parts": "".join(f"k{i}{'.a' * 30} = 1\n" for i in range(MEGABYTE // 72 // 4)),
    "many unknown keys": "".join(f"k{i} = 1\n" for i in range(MEGABYTE // 12)),
    "many nameless children": "[[child]]\n" * (MEGABYTE // 10),
    "many handlers": "[[handler]]\ntype = 'x'\n" * (MEGABYTE // 24),
    "a long key": "k" * MEGABYTE + " = 1",
    "a long name": 'name = "' + "n" * MEGABYTE + '"',
    "quotes": '"' * MEGABYTE,
    "commas and quotes": ',"' * (MEGABYTE // 2),
    "brackets": "[" * MEGABYTE,
    "braces": "{" * MEGABYTE,
    "too much": "#" * (MANIFEST_MAX_BYTES + 1),
    "a name like a known one": "".join(f"componen{i} = 1\n" for i in range(MEGABYTE // 20)),
    "pools of many instances": 'name = "s"\n'
    + "".join(pools_in_pools(f"p{i}", 1) for i in range(5000)),
    "pools in pools": 'name = "s"\n' + pools_in_pools("p", DEPTH_MAX, instances=10_000),
    "big templates of no instances": 'name = "s"\n'
    + "".join(pools_in_pools(f"p{i}", 2) for i in range(2000)),
    "a deep json state": 'name = "s"\npackage = "p"\ninitial_state.json' + ".a" * 29 + " = 1",
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_hostile_megabyte_is_judged_soon_and_told_briefly(name: str) -> None:
    began_s = time.perf_counter()
    verdict = judge(HEAVY[name])
    assert time.perf_counter() - began_s < 30
    assert isinstance(verdict, SystemSpec) or len(str(verdict)) < 50_000


def test_a_hostile_megabyte_takes_little_memory() -> None:
    """An actor can give such a manifest to `spawn`."""
    code = (
        "from tests.memory import peak_mib\n"
        "from tests.test_manifest_hostile import HEAVY, judge\n"
        "for text in HEAVY.values():\n"
        "    judge(text)\n"
        "print(peak_mib())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 300


def test_the_name_of_a_variable_is_no_mark_of_ours() -> None:
    verdict = judge(ACTOR + 'env = { "[key]" = 1, "=" = "x", "=a" = { "[key]" = 1 } }')
    assert isinstance(verdict, ManifestError)
    name = "cannot be a variable's name: it is empty or contains ="
    assert [(each.path, each.message) for each in verdict.problems] == [
        ('child[0].env."[key]"', "found 1; must be a string"),
        ('child[0].env."="', f'"=" {name}'),
        ('child[0].env."=a"', f'"=a" {name}'),
        ('child[0].env."=a"', "found a table; must be a string"),
    ]


def test_no_more_problems_are_told_than_anyone_reads() -> None:
    verdict = judge("[[child]]\n" * 1000)
    assert isinstance(verdict, ManifestError)
    assert len(verdict.problems) == PROBLEMS_MAX + 1
    assert str(verdict.problems[-1]) == f"more than {PROBLEMS_MAX} problems; not all are shown"


def supervisors(depth: int) -> str:
    tables = ("[[" + ".".join(["child"] * (i + 1)) + ']]\nname = "a"\n' for i in range(depth))
    return 'name = "s"\n' + "".join(tables) + "supervisor = {}\n"


def test_supervisors_nest_so_deep_and_no_deeper() -> None:
    assert isinstance(judge(supervisors(DEPTH_MAX)), SystemSpec)
    verdict = judge(supervisors(DEPTH_MAX + 1))
    assert isinstance(verdict, ManifestError)
    assert f"supervisors nest deeper than {DEPTH_MAX}" in str(verdict)
    inline = 'name = "s"\nchild = ' + "[{child = " * 100 + "[]" + "}]" * 100
    assert isinstance(judge(inline), ManifestError)


def test_a_path_of_odd_keys_is_quoted() -> None:
    assert path_text(("child", 2, "env", "a b")) == 'child[2].env."a b"'
    assert path_text(("\x1b", "")) == r'"\x1b".""'
    assert path_text(()) == ""
