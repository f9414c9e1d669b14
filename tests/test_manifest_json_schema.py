"""The JSON schema of manifests judges as `check` does, as far as a schema can."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import (
    test_manifest,
    test_manifest_fragments,
    test_manifest_hostile,
    test_manifest_supervision,
)
from tests.test_manifest_hostile import KNOWN, VALUES, to_toml
from tests.test_manifest_problems import ACTOR, BACKOFF, CELLS, POOL, SINGLE
from theater import manifest, manifest_json_schema
from theater.errors import ManifestError

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not there")

ROOT = Path(__file__).parent.parent
VALIDATOR = jsonschema.Draft7Validator(manifest_json_schema.manifest())
FRAGMENT = jsonschema.Draft7Validator(manifest_json_schema.fragment())


def schema_accepts(text: str | bytes) -> bool:
    return bool(VALIDATOR.is_valid(manifest._tables(text, "m.toml")))


def check_accepts(text: str | bytes) -> bool:
    try:
        manifest.parse(text, "m.toml")
    except ManifestError as error:
        # Of a manifest that is not a file: what `load` would look for on the disk.
        return all("a manifest that is not a file" in each.message for each in error.problems)
    return True


@pytest.mark.parametrize("schema", [VALIDATOR.schema, FRAGMENT.schema])
def test_it_is_a_schema_and_refers_to_what_it_has(schema: Any) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    references = set(re.findall(r"'\$ref': '#/definitions/(\w+)'", str(schema)))
    assert references <= schema["definitions"].keys()


def written() -> Iterator[Any]:
    """Every manifest that lies or stands in the repository."""
    folders = [ROOT / "examples", ROOT / "theater" / "project" / "templates"]
    for file in itertools.chain.from_iterable(folder.rglob("*.toml") for folder in folders):
        if file.name in ("theater.toml", "manifest.toml") and ".theater" not in file.parts:
            yield pytest.param(file.read_text(), id=str(file.relative_to(ROOT)))
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        blocks = re.findall(r"^```toml\n(name = .*?)^```$", page.read_text(), re.S | re.M)
        for number, block in enumerate(blocks):
            yield pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")


@pytest.mark.parametrize("text", list(written()))
def test_every_manifest_of_the_repository_is_accepted(text: str) -> None:
    assert check_accepts(text)
    assert list(VALIDATOR.iter_errors(manifest._tables(text, "m.toml"))) == []


GOOD = [
    *(test_manifest.FULL, test_manifest.DEFAULTS, test_manifest.SINGLE),
    test_manifest_hostile.GOOD,
    *(f'name = "s"\n{each}' for each in ("[supervisor]", "child = []")),
]
TABLED = [
    (test_manifest.test_sizes_are_bytes_or_have_a_unit, "limits = {{ memory = {} }}"),
    (test_manifest.test_durations_are_seconds_or_have_a_unit, "request_timeout = {}"),
    (test_manifest.test_durations_are_seconds_or_have_a_unit, "shutdown = {}"),
    (test_manifest.test_a_child_may_be_given_no_time_to_stop, "shutdown = {}"),
    (test_manifest.test_shutdown_takes_erlangs_words, 'shutdown = "{}"'),
    (
        test_manifest.test_an_initial_state_is_text_or_bytes_in_some_notation,
        "initial_state = {}",
    ),
    (
        test_manifest_supervision.test_a_backoff_needs_only_a_base_and_settles_as_late_as_it_waits,
        "supervisor = {{ backoff = {{ {} }} }}",
    ),
]


def table_of(test: Any) -> list[Any]:
    """The first column of a parametrized test."""
    [mark] = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return [row[0] if isinstance(row, tuple) else row for row in mark.args[1]]


def test_what_other_tests_say_is_right_is_accepted() -> None:
    texts = list(GOOD)
    for test, form in TABLED:
        before = POOL.replace("supervisor = {}\n", "") if "backoff" in form else ACTOR
        texts += [f"{before}{form.format(value)}" for value in table_of(test)]
    assert len(texts) > 50
    for text in texts:
        assert check_accepts(text), text
        assert list(VALIDATOR.iter_errors(manifest._tables(text, "m.toml"))) == [], text


def test_a_mistake_in_a_handler_is_told_at_its_key() -> None:
    text = ACTOR + 'handler = [{ type = "message-server", send_to = ["a", "B"] }]'
    [error] = VALIDATOR.iter_errors(manifest._tables(text, "m.toml"))
    assert list(error.absolute_path) == ["child", 0, "handler", 0, "send_to", 1]


def test_a_fragment_has_a_schema_of_its_own() -> None:
    full = manifest._tables(test_manifest_fragments.FULL, "m.toml")
    assert list(FRAGMENT.iter_errors(full)) == []
    significant = {"name": "a", "component": "a", "significant": True, "restart": "transient"}
    assert FRAGMENT.is_valid({"child": [significant]})
    refused: list[dict[str, Any]] = [{}, {"child": []}, {"child": [{"name": "a"}]}]
    for wrong in (*refused, {"name": "s", **full}):
        assert not FRAGMENT.is_valid(wrong), wrong


# What a schema cannot say: a NaN compares with nothing, 1.0 is a whole number to JSON, and text
# with a unit is judged by its form, not by what it comes to.
BEYOND = {"nan", "1.0", '"9999999TiB"', '"0B"', '"0.3B"'}


def test_what_check_refuses_of_one_value_is_refused() -> None:
    for (before, _), key, value in CELLS:
        base = "base = 1\n" if before is BACKOFF[0] and key != "base" else ""
        text = f"{before}{base}{key} = {value}"
        assert not check_accepts(text)
        assert value in BEYOND or not schema_accepts(text), text


TEMPLATE = '[[child.child]]\nname = "w"\ncomponent = "w"\n'
POOL_OF = POOL.replace("supervisor = {}", 'supervisor = { strategy = "simple_one_for_one"%s }')
WRONG = [
    'name = "s"',
    "child = []",
    'name = "S"\nchild = []',
    'name = "s"\nversion = "1"',
    'name = "s"\n[limits]\nstate_max = 3',
    'name = "s"\nchild = []\nargs = []',
    'name = "s"\nchild = []\nsend_to = []',
    'name = "s"\nchild = []\nlimits = { memory = "1MiB" }',
    'name = "s"\npackage = "a"\nchild = []',
    SINGLE[0] + 'component = "a"',
    SINGLE[0] + 'significant = true\n[supervisor]\nauto_shutdown = "any_significant"',
    SINGLE[0] + '[supervisor]\nstrategy = "simple_one_for_one"',
    ACTOR + "child = []",
    ACTOR + "supervisor = {}",
    ACTOR + "memory = 1",
    ACTOR + 'restart = "transient"\nsignificant = true',
    ACTOR + '[supervisor]\nauto_shutdown = "any_significant"\n[[child]]\nname = "b"\n'
    'component = "b"\nrestart = "permanent"\nsignificant = true',
    ACTOR + 'recycle_turns = 1\non_restart = "init"',
    ACTOR + "env = { A = 1 }",
    ACTOR + 'env = { "a=b" = "x" }',
    ACTOR + "args = [1]",
    ACTOR + "handler = [3]",
    ACTOR + "handler = [{}]",
    ACTOR + "handler = [{ type = 3 }]",
    ACTOR + 'handler = [{ type = "runtme" }]',
    ACTOR + 'handler = [{ type = "wasi:clocks" }]',
    ACTOR + 'handler = [{ type = "runtime", send_to = [] }]',
    ACTOR + 'handler = [{ type = "runtime", max_events = 0 }]',
    ACTOR + 'handler = [{ type = "message-server", send_to = ["A"] }]',
    ACTOR + 'handler = [{ type = "message-server", send_to = ["a**/b"] }]',
    ACTOR + 'handler = [{ type = "wasi:filesystem" }]',
    ACTOR + 'handler = [{ type = "wasi:filesystem", preopens = [{ host = "d" }] }]',
    ACTOR + 'handler = [{ type = "wasi:filesystem", preopens = [{ host = "d", guest = "d" }] }]',
    ACTOR + 'handler = [{ type = "wasi:filesystem", preopens = [{ host = "d", guest = "/a/.."}] }]',
    'name = "s"\n[[child]]\nname = "a"',
    'name = "s"\n[[child]]\nname = "a"\ncomponent = "https://example.com/a.wasm"',
    'name = "s"\n[[child]]\nname = "a"\nbuild = "a.rs"',
    'name = "s"\n[[child]]\nname = "a"\nbuild = { source = "a.js", actor = "A" }',
    'name = "s"\n[[child]]\nname = "a"\nbuild = { actor = "A" }',
    POOL + "args = []",
    POOL + 'restart = "transient"\nsignificant = true',
    POOL.replace("{}", "{ backoff = { max = 3 } }"),
    POOL_OF % "",
    POOL_OF % ', auto_shutdown = "any_significant"' + TEMPLATE,
    POOL_OF % "" + TEMPLATE + TEMPLATE.replace('"w"', '"x"'),
    POOL.replace("{}", "{ instances = 3 }") + TEMPLATE,
]


@pytest.mark.parametrize("text", WRONG)
def test_what_check_refuses_between_keys_is_refused(text: str) -> None:
    assert not check_accepts(text)
    assert not schema_accepts(text)


RIGHT = [
    POOL_OF % ", instances = 3" + TEMPLATE,
    ACTOR
    + 'handler = [{ type = "message-server", send_to = ["a", "*", "**", "a/**/b-*", "*-x"] }]',
    ACTOR + 'handler = [{ type = "wasi:filesystem", preopens = [{ host = ".", guest = "/" }] }]',
    ACTOR
    + 'handler = [{ type = "wasi:filesystem", preopens = [{ host = "d", guest = "/..a/b" }] }]',
    ACTOR + 'recycle_turns = 0\non_restart = "init"',
    'name = "s"\n[[child]]\nname = "a"\nbuild = "crate/Cargo.toml"',
    'name = "s"\n[[child]]\nname = "a"\nbuild = { source = "a.py", packages = ["x==1"] }',
    'name = "s"\nbuild = "a.py"',
    'name = "s"\n[[child]]\nname = "a"\ncomponent = "a.wasm"\nbuild = "dir"',
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_check_accepts_between_keys_is_accepted(text: str) -> None:
    assert check_accepts(text)
    assert list(VALIDATOR.iter_errors(manifest._tables(text, "m.toml"))) == []


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=6))
def test_no_values_are_refused_that_check_accepts(tables: dict[str, Any]) -> None:
    lines = "\n".join(f"{key} = {to_toml(value)}" for key, value in tables.items())
    child = to_toml({"name": "a", "component": "a", **tables})
    for text in (lines, f'name = "s"\npackage = "p"\n{lines}', f'name = "s"\nchild = [{child}]'):
        try:
            accepted = check_accepts(text)
        except RecursionError:
            continue
        assert not accepted or schema_accepts(text), text
