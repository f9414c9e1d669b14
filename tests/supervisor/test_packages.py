"""Core modules that mean to be packages of Pack's: each that cannot be one is told why."""

from __future__ import annotations

from pathlib import Path

import pytest

from theater.calls import ACTOR, CLIENT, RUNTIME, TIMER
from theater.errors import ComponentError
from theater.pack.hashes import interface_hash
from theater.pack.interfaces import UNDECLARED, is_package, provided
from theater.supervisor.cache import prepare

COMPONENTS = Path(__file__).parent.parent / "components"
ECHO, PROBE = ((COMPONENTS / f"pack-{name}.wat").read_text() for name in ("echo", "probe"))
CALL = "(param i32 i32 i32 i32) (result i32)"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def refused(directory: Path, wat: str) -> str:
    file = directory / "p.wat"
    file.write_text(wat)
    with pytest.raises(ComponentError) as caught:
        prepare(str(file))
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    return text


def importing(module: str, name: str, what: str) -> str:
    return ECHO.replace("(module\n", f'(module\n  (import "{module}" "{name}" {what})\n', 1)


def without(export: str, wat: str = ECHO) -> str:
    assert f'(export "{export}")' in wat
    return wat.replace(f'(export "{export}")', "", 1)


SHAPES = {
    "shared memory": (
        importing("env", "__memory_base", "(global i32)"),
        ["built for a shared memory", "env.__memory_base", "packr-guest 0.11 or later"],
    ),
    "memory of the host's": (
        ECHO.replace('(memory (export "memory") 2)', '(memory (import "env" "memory") 2)'),
        ["built for a shared memory", "env.memory"],
    ),
    "no allocator of its own": (
        importing("pack:alloc", "alloc", "(func (param i32) (result i32))"),
        ["built without its allocator", "packr-guest 0.11 or later"],
    ),
    "no memory": (without("memory"), ["does not export its memory", "--export-memory"]),
    "no alloc": (
        without("__pack_alloc"),
        ["has no Pack allocator", "__pack_alloc", "setup_guest!"],
    ),
    "no free": (
        without("__pack_free"),
        ["has no Pack allocator", "__pack_free", "(i32, i32) -> ()"],
    ),
    "no types": (without("__pack_types"), ["carries no interface metadata", "pack_types!"]),
    "free of another type": (
        without("__pack_free").rstrip().removesuffix(")")
        + '(func (export "__pack_free") (param i32)))',
        ["no export __pack_free of type (i32, i32) -> ()"],
    ),
    "an import of another type": (
        importing("theater:simple/runtime", "log", "(func (param i32 i32))"),
        [
            "import theater:simple/runtime.log is not a Pack call (of type (i32, i32) -> ())",
            "a Pack call is (i32, i32, i32, i32) -> (i32)",
        ],
    ),
    "an import that is no function": (
        importing("theater:simple/runtime", "log", "(global i32)"),
        ["import theater:simple/runtime.log is not a Pack call (no function)"],
    ),
    "metadata of another kind": (
        ECHO.replace('"CGRF', '"CGRX', 1),
        ["its interface metadata cannot be read: ", "build it again with packr-guest"],
    ),
    "metadata outside of its memory": (
        ECHO.replace("(i32.const 0x3000))\n    (i32.store", "(i32.const -1))\n    (i32.store", 1),
        ["its interface metadata cannot be read: ", "at 4,294,967,295, outside of its memory"],
    ),
    "metadata that never come": (
        ECHO.replace(
            "(param $out-ptr i32) (param $out-len i32) (result i32)\n    (i32.store",
            "(param $out-ptr i32) (param $out-len i32) (result i32)\n    (loop (br 0))\n"
            "    (i32.store",
            1,
        ),
        ["it failed when it was asked for its types: ", "fuel"],
    ),
    "declared and not there": (
        without(f"{CLIENT}.handle-send"),
        [f"declares export {CLIENT}.handle-send, and does not export it"],
    ),
    "declared and of another type": (
        without(f"{CLIENT}.handle-send").rstrip().removesuffix(")")
        + f'(func (export "{CLIENT}.handle-send")))',
        [f"declares export {CLIENT}.handle-send, and has it with type () -> () and not"],
    ),
    "not valid": (
        ECHO.rstrip().removesuffix(")") + "(func (result i32)))",
        ["not a valid WebAssembly module for this engine: ", "type mismatch"],
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_shape_that_cannot_run_is_refused_with_what_to_do(tmp_path: Path, case: str) -> None:
    wat, parts = SHAPES[case]
    text = refused(tmp_path, wat)
    for part in parts:
        assert part in text, text


def test_a_package_is_described_with_its_types_and_the_hashes_it_was_built_with() -> None:
    artifact = prepare(str(COMPONENTS / "pack-probe.wat"))
    assert is_package(artifact.imports) and is_package(artifact.exports)
    log = artifact.imports[RUNTIME]
    assert log["functions"]["log"] == "func(msg: string)"
    assert log["pack"]["hash"] == interface_hash(RUNTIME, provided(RUNTIME)).hex()
    assert artifact.exports[ACTOR]["functions"] == {
        "init": "func(state: value) -> result<value, string>"
    }
    assert sorted(artifact.exports[CLIENT]["functions"]) == ["handle-request", "handle-send"]
    assert "handle-tick" in artifact.exports[TIMER]["functions"]


def test_an_import_that_is_not_declared_is_there_without_a_type(tmp_path: Path) -> None:
    file = tmp_path / "p.wat"
    file.write_text(importing("theater:simple/runtime", "self", f"(func {CALL})"))
    assert prepare(str(file)).imports == {
        RUNTIME: {"version": None, "functions": {"self": UNDECLARED}, "pack": {"hash": None}}
    }


def test_a_component_is_no_package() -> None:
    artifact = prepare(str(COMPONENTS / "counter.wat"))
    assert not is_package(artifact.imports) and not is_package(artifact.exports)
