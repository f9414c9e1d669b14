"""`theater inspect`: what a component needs, and why one does not link."""

from __future__ import annotations

import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

from tests.cli.conftest import COMPONENTS, Home


def test_what_inspect_says_a_manifest_has_is_a_manifest_that_is_right(home: Home) -> None:
    shutil.copy(COMPONENTS / "probe.wat", home.directory / "Probe One.wat")
    told = home.out("inspect", "Probe One.wat")
    assert "log: func(msg: string)" in told
    assert '(granted by the handler "message-server")' in told
    _, _, child = told.partition("A manifest that runs it has\n")
    (home.directory / "theater.toml").write_text('name = "x"\n' + child)
    assert home.out("check") == "ok: 1 actor, 1 component\n"


def test_the_first_look_compiles_and_says_so_and_the_second_finds_it(home: Home) -> None:
    name = "nobody-has-compiled-this.wat"
    text = (COMPONENTS / "minimal.wat").read_bytes() + b"\n;; nobody has"
    (home.directory / name).write_bytes(text)
    first, second = home.out("inspect", name), home.out("inspect", name)
    assert re.search(r"compiled  \S+ kB, took \S+ s, and is in the cache now\n", first)
    assert re.search(r"compiled  \S+ kB, is in the cache\n", second)
    assert f"{name}: {len(text):,} bytes\nSHA-256   {sha256(text).hexdigest()}\n" in second


def test_json_has_everything_that_a_program_needs(home: Home) -> None:
    path = str(COMPONENTS / "probe.wat")
    facts = json.loads(home.out("inspect", path, "--json"))
    assert facts["component"] == path
    assert facts["grants"] == ["message-server", "runtime"]
    assert facts["problems"] == []
    assert Path(facts["artifact"]["path"]).stat().st_size == facts["artifact"]["size"]
    runtime = next(each for each in facts["imports"] if each.get("handler") == "runtime")
    assert runtime["end"] == "handler" and "log" in runtime["functions"]
    assert facts["exports"][0]["interface"] == "theater:simple/actor"


def test_the_world_is_wit(home: Home) -> None:
    told = home.out("inspect", str(COMPONENTS / "probe.wat"), "--wit")
    assert told.startswith("package root:component;\n\nworld root {\n")
    assert "  import theater:simple/runtime;\n" in told
    assert told.endswith("  export theater:simple/message-server-client;\n}\n")


def test_a_package_is_shown_in_packs_words_with_its_hashes(home: Home) -> None:
    path = str(COMPONENTS / "pack-probe.wat")
    told = home.out("inspect", path)
    assert "bytes, a package of Pack's\n" in told
    assert "    log: func(msg: string)\n" in told
    facts = json.loads(home.out("inspect", path, "--json"))
    assert facts["kind"] == "package" and facts["problems"] == []
    assert facts["grants"] == ["message-server", "runtime", "store", "timer", "supervisor"]
    runtime = next(each for each in facts["imports"] if each.get("handler") == "runtime")
    assert re.fullmatch("[0-9a-f]{64}", runtime["hash"])
    assert f"    built with {runtime['hash']}\n" in told
    assert "which has no world in WIT" in home.fails(2, "inspect", path, "--wit")


def test_one_that_does_not_link_is_shown_and_says_why(home: Home) -> None:
    text = (COMPONENTS / "outside.wat").read_text()
    (home.directory / "typo.wat").write_text(
        text.replace("test:outside/post", "theater:simple/stor")
    )
    for component, why in (
        (str(COMPONENTS / "wrong-signature.wat"), "expected: func(msg: string)"),
        (str(COMPONENTS / "no-actor.wat"), "does not export theater:simple/actor"),
        ("typo.wat", 'did you mean "theater:simple/store"?'),
    ):
        done = home.run("inspect", component)
        told = done.stdout.decode()
        assert done.returncode == 3 and "It cannot be an actor's component:\n" in told
        assert why in told, told
        done = home.run("inspect", component, "--json")
        assert done.returncode == 3 and why in json.loads(done.stdout)["problems"][0]


def test_what_is_no_component_says_what_it_is(home: Home) -> None:
    (home.directory / "hello.txt").write_text("hello")
    (home.directory / "empty.wasm").write_bytes(b"")
    for file, why in (
        ("hello.txt", "neither a WebAssembly binary nor its text form"),
        ("empty.wasm", "the file is empty"),
        ("missing.wasm", "there is no such file"),
        (".", "a directory"),
        (str(COMPONENTS / "core-module.wat"), "a core module, not a component"),
        (str(COMPONENTS / "bad-syntax.wat"), "bad-syntax.wat:6:1: "),
    ):
        assert why in home.fails(3, "inspect", file)


def test_a_terminal_gets_no_line_that_is_too_long(home: Home) -> None:
    shutil.copy(COMPONENTS / "probe.wat", home.directory)
    terminal = home.terminal("inspect", "probe.wat")
    assert terminal.wait_end() == 0
    assert "handle-channel-open: func(" in terminal.text
    assert max(map(len, terminal.text.split("\n"))) <= 80
