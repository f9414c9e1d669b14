"""Actors in JavaScript, built by the project's own componentize-js."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.components import javascript_actor
from tests.project.projects import project
from tests.real.conftest import COMPONENTS, Theater, actor
from tests.waiting import eventually
from theater.project.job import BuildFailed, Job
from theater.project.languages.javascript import JavaScript
from theater.spec import Build
from theater.supervisor import building
from theater.supervisor.building import Built, NotBuilt

HELLO = """
import { log } from "theater:simple/runtime";
import { greet } from "./words.mjs";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export const actor = {
  init(state, [id]) {
    return [encoder.encode("[]")];
  },
};

export const messageServerClient = {
  handleSend(state, [message]) {
    const greeted = JSON.parse(decoder.decode(state));
    const name = decoder.decode(message);
    log(greet(name));
    return [encoder.encode(JSON.stringify([...greeted, name]))];
  },
  handleRequest(state, [_id, message]) {
    return [state, [state]];
  },
  handleChannelOpen(state) {
    return [state, [{ accepted: false, message: undefined }]];
  },
  handleChannelMessage(state) {
    return [state];
  },
  handleChannelClose(state) {
    return [state];
  },
};
"""
WORDS = "export const greet = (name) => `hello, ${name.toUpperCase()}`;\n"


def inputs(source: Path) -> set[str]:
    named = JavaScript(Job(str(source), "")).inputs
    return {name for name in named if ":" not in name}


def test_it_is_the_module_with_all_that_it_imports_by_a_path(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "a.js").write_text(
        'import {x} from "./lib/b.js";\nimport "./c.mjs";import * as y from\n  \'./lib/d.js\'\n'
        'import z from "elsewhere";\nawait import("./missing.js");'
    )
    (tmp_path / "lib" / "b.js").write_text('export * from "../c.mjs"; export {a} from "../a.js"')
    (tmp_path / "lib" / "d.js").touch()
    (tmp_path / "c.mjs").touch()
    (tmp_path / "unused.js").touch()
    assert inputs(tmp_path / "a.js") == {"a.js", "lib/b.js", "lib/d.js", "c.mjs"}


def test_a_project_says_which_file_is_built(tmp_path: Path) -> None:
    package = tmp_path / "package.json"
    package.write_text('{"main": "src/hello.js"}')
    with pytest.raises(BuildFailed, match=r'no src/hello\.js; say in it which file .*"main": '):
        inputs(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "hello.js").touch()
    assert inputs(tmp_path) == inputs(package) == {"hello.js"}
    package.write_text("{")
    with pytest.raises(BuildFailed, match="is not JSON"):
        inputs(tmp_path)


def test_a_project_may_have_a_wit_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.js").touch()
    (tmp_path / "package.json").write_text("{}")
    assert "wit:theater-simple.wit" in JavaScript(Job(str(tmp_path / "a.js"), "")).inputs
    (tmp_path / "wit").mkdir()
    (tmp_path / "wit" / "own.wit").touch()
    own = JavaScript(Job(str(tmp_path / "a.js"), "")).inputs
    assert not any(name.startswith("wit:") for name in own)
    assert inputs(tmp_path / "a.js") == {"a.js", "wit/own.wit"}


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "node").write_text("#!/bin/sh\n")
    (tools / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    source = tmp_path / "a.js"
    source.touch()
    package = "@bytecodealliance/componentize-js"

    def missing() -> str:
        recipe = JavaScript(Job(str(source), ""))
        assert recipe.tool() is None
        return str(recipe.missing())

    assert missing() == (
        f"{package} is not installed; in {tmp_path} run npm install --save-dev {package}"
    )
    (tmp_path / "package.json").write_text(f'{{"devDependencies": {{"{package}": "*"}}}}')
    assert missing() == f"{package} is not installed; run npm install in {tmp_path}"
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing().startswith("node, which builds actors in JavaScript, is missing: install")


def linked(directory: Path) -> Path:
    """With the tools that the tests have."""
    link = directory / "node_modules"
    if not link.is_symlink():
        link.symlink_to(javascript_actor.tools() / "node_modules")
    return directory


def test_a_project_in_javascript_is_built_once() -> None:
    """That one runs, `tests/cli/test_newcomer.py` tries."""
    package = '{ "type": "module", "private": true, "main": "hello.js" }\n'
    directory = project("javascript", hello_js=HELLO, words_mjs=WORDS, package_json=package)
    javascript_actor.tools()
    component = str(linked(directory) / "build" / "javascript.wasm")
    wish = {component: Build(str(directory))}
    [found] = building.build(wish, print).values()
    assert isinstance(found, Built), found
    assert found.tool == f"componentize-js {javascript_actor.VERSION}"
    [again] = building.build(wish, print).values()
    assert isinstance(again, Built) and again.seconds == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("export const actor = {\n  init(a { }\n};\n", "bad.js:2\n  init(a { }\n         ^\n"),
        ('import "./nix.mjs";\n', 'Error loading module "./nix.mjs"'),
    ],
    ids=["syntax", "import"],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    linked(tmp_path)
    (tmp_path / "bad.js").write_text(text)
    component = str(tmp_path / "build" / "bad.wasm")
    [found] = building.build({component: Build(str(tmp_path / "bad.js"))}, print).values()
    assert isinstance(found, NotBuilt)
    assert said in found.text, found.text
    assert "/0.23.0/" not in found.text and "componentize.js:" not in found.text


TICKER = """
import { setInterval as every, clearInterval as clear, now } from "theater:simple/timer";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const load = (state) => JSON.parse(decoder.decode(state));
const store = (state) => encoder.encode(JSON.stringify(state));

export const actor = {
  init() {
    every("tick", 20n);
    return [store({ ticks: 0, since: String(now()) })];
  },
};

export const timerClient = {
  handleTick(state, [timer]) {
    const { ticks, since } = load(state);
    if (ticks === 4) clear(timer);
    return [store({ ticks: ticks + 1, since })];
  },
};

export const messageServerClient = {
  handleSend: (state) => [state],
  handleRequest: (state) => [state, [state]],
  handleChannelOpen: (state) => [state, [{ accepted: false }]],
  handleChannelMessage: (state) => [state],
  handleChannelClose: (state) => [state],
};
"""


def test_an_actor_in_javascript_ticks(tmp_path: Path) -> None:
    package = '{ "type": "module", "private": true }\n'
    directory = project("javascript-ticker", ticker_js=TICKER, package_json=package)
    component = str(linked(directory) / "build" / "ticker.wasm")
    [found] = building.build({component: Build(str(directory / "ticker.js"))}, print).values()
    assert isinstance(found, Built), found
    theater = Theater(tmp_path, replays=True)
    grants = '[[child.handler]]\ntype = "timer"\n'
    system = theater.up(actor("ticker", component) + grants)

    def state() -> dict[str, object]:
        told: dict[str, object] = json.loads(system.request("ticker", b"", timeout_s=30))
        return told

    eventually(lambda: state()["ticks"] == 5, "five ticks")
    since = state()["since"]
    assert isinstance(since, str) and since.startswith("17")
    assert system.log.query("SELECT * FROM timers") == []
    theater.note(system)
    theater.end()


BOSS = """
import { spawn, getChildState } from "theater:simple/supervisor";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const text = (state) => (state ? decoder.decode(state) : "");
const told = (state, more) => [encoder.encode(`${text(state)}${more};`)];

export const actor = {
  init: (state) => told(state, spawn("worker", encoder.encode("41"))),
};

export const supervisorHandlers = {
  handleChildError: (state, [child, error]) =>
    told(state, `${child} ${error.errorType} ${decoder.decode(error.data)}`),
  handleChildExit: (state, [child, result]) => told(state, `${child} ${result}`),
  handleChildExternalStop: (state, [child]) => told(state, `${child} stopped`),
  handleChildEvent: (state) => [state],
};

export const messageServerClient = {
  handleSend: (state) => [state],
  handleRequest(state, [_request, message]) {
    try {
      return [state, [getChildState(decoder.decode(message))]];
    } catch {
      return [state, [state]];
    }
  },
  handleChannelOpen: (state) => [state, [{ accepted: false }]],
  handleChannelMessage: (state) => [state],
  handleChannelClose: (state) => [state],
};
"""


def test_an_actor_in_javascript_spawns(tmp_path: Path) -> None:
    package = '{ "type": "module", "private": true }\n'
    directory = project("javascript-boss", boss_js=BOSS, package_json=package)
    component = str(linked(directory) / "build" / "boss.wasm")
    [found] = building.build({component: Build(str(directory / "boss.js"))}, print).values()
    assert isinstance(found, Built), found
    theater = Theater(tmp_path, replays=True)
    shutil.copy(COMPONENTS / "counter.wat", tmp_path)
    (tmp_path / "worker.toml").write_text('name = "worker"\npackage = "counter.wat"\n')
    grants = '[[child.handler]]\ntype = "supervisor"\ntemplates = { worker = "worker.toml" }\n'
    system = theater.up(actor("boss", component) + grants)
    theater.note(system)
    assert system.request("boss", b"boss/worker", timeout_s=30) == b"41"
    os.kill(system.actor("boss/worker")["pid"], signal.SIGKILL)
    seen = b"boss/worker;boss/worker internal killed by SIGKILL;"
    eventually(lambda: system.request("boss", b"?") == seen, "the boss to be told")
    system.wait_status("boss/worker", "running")
    system.stop("boss/worker")
    seen += b"boss/worker stopped;"
    eventually(lambda: system.request("boss", b"?") == seen, "the boss to be told")
    theater.end()
