"""From an empty directory to a running actor, as somebody does who has never seen Theater.

Building in Python and JavaScript takes a minute, so what the tools make of the projects is kept
from one run of the tests to the next, and put where the newcomer's own build would put it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Home
from tests.components import javascript_actor
from tests.project.projects import HERE
from tests.waiting import WAIT_S
from theater.client import System
from theater.project.names import names
from theater.project.new import rendered

BUILD_S = 600


@dataclass(frozen=True, slots=True)
class Language:
    source: str
    greeting: tuple[str, str]  # in the source: the old one, the new one
    trap: tuple[str, str]  # a line, and the same with what fails on an empty message
    slip: tuple[str, str]  # a line, and what is wrong
    told: str  # of what is said about it
    died_of: str
    fatal: bytes = b""  # what it dies of
    changes_first: bool = False  # what it dies of has to be put in before the first build


LANGUAGES = {
    "python": Language(
        "hello.py",
        ('f"hello, ', 'f"good day, '),
        (
            "        self.state.greetings += 1\n",
            "        self.state.greetings += 1\n        assert message, 'nobody to greet'\n",
        ),
        ("class Hello(Actor):\n", "clas Hello(Actor):\n"),
        "hello.py",
        "UnicodeDecodeError: ",
        fatal=b"\xff",
    ),
    "js": Language(
        "hello.js",
        ("`hello, ", "`good day, "),
        (
            "function greet(state, name) {\n",
            "function greet(state, name) {\n"
            '  if (name.length === 0) throw new Error("nobody to greet");\n',
        ),
        ("export const actor = {\n", "export const actor = {{\n"),
        "hello.js",
        "Error: nobody to greet",
        changes_first=True,
    ),
    "wat": Language(
        "hello.wat",
        ('"hello, ") ;; 7', '"howdy, ") ;; 7'),
        (
            "      (call $log\n",
            "      (if (i32.eqz (local.get $msg_len)) (then unreachable))\n      (call $log\n",
        ),
        ("(component\n", "(component (nonsense)\n"),
        "nonsense",
        "unreachable",
    ),
}


def changed(language: Language, text: str) -> str:
    for old, new in (language.greeting, language.trap):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def built(name: str) -> Path | None:
    """The directory `build` of the new project, changed or not; None: it has none."""
    if name == "wat":
        return None
    language = LANGUAGES[name]
    changes = language.changes_first
    place = HERE / f"newcomer-{name}"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path, text in rendered(name, names("hello")):
            (place / path).parent.mkdir(exist_ok=True)
            is_source = str(path) == language.source
            (place / path).write_text(changed(language, text) if changes and is_source else text)
        install(name, place)
        home = Home(place, Path())
        del home.env["XDG_CACHE_HOME"]
        subprocess.run(home.command("build"), cwd=place, env=home.env, check=True, timeout=BUILD_S)
    return place / "build"


def install(name: str, project: Path) -> None:
    """`npm install`; what it brings is there already."""
    if name == "js" and not (project / "node_modules").exists():
        (project / "node_modules").symlink_to(javascript_actor.tools() / "node_modules")


def asked(home: Home, message: bytes) -> bytes:
    with System(str(home.data)) as system:
        return system.request("hello", message, WAIT_S)


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_first_hour(home: Home, name: str) -> None:
    if name == "python" and importlib.util.find_spec("componentize_py") is None:
        pytest.skip("componentize-py is not there, which builds actors in Python")
    if name == "js":
        javascript_actor.tools()
    language = LANGUAGES[name]
    first = built(name)
    del home.env["XDG_CACHE_HOME"]

    text = home.out("new", "hello", "--lang", name)
    assert text.splitlines()[-2:] == ["  theater build", "  theater run"]
    home.directory /= "hello"
    home.data = home.directory / ".theater"
    install(name, home.directory)
    source = home.directory / language.source
    original = source.read_text()
    if language.changes_first:
        source.write_text(changed(language, original))
    if first is not None:
        shutil.copytree(first, home.directory / "build")
    assert "ok: 1 component is compiled" in home.out("build")
    done = home.run("run", "--", "ann", "bob")
    assert (done.returncode, done.stdout) == (0, b"1\n2\n"), done.stderr.decode()
    told = [line for line in done.stderr.decode().splitlines() if " | " in line]
    greeted = "good day" if language.changes_first else "hello"
    assert told == [f"hello | {greeted}, ann", f"hello | {greeted}, bob"]

    # It runs on its own, and is changed while it does: the source where that takes no minute, else
    # what it is given.
    watched = home.terminal("up", "--watch")
    watched.wait_for("watching ")
    home.out("send", "hello", "ann")
    assert home.out("request", "hello", "bob") == "2"
    if first is None:
        source.write_text(changed(language, original))
    else:
        manifest = home.directory / "theater.toml"
        text = manifest.read_text()
        assert text.count("\nbuild = ") == 1
        manifest.write_text(text.replace("\nbuild = ", '\nargs = ["more"]\nbuild = '))
    watched.wait_for("hello runs what is new")
    assert asked(home, b"cy") == b"3", "what it knew it knows still"
    if first is None:
        said = home.out("logs", "hello").splitlines()[-1]
        assert said.endswith(", cy") and "hello, " not in said

    # A slip, and it still runs.
    good = source.read_text()
    line, slip = language.slip
    assert good.count(line) == 1
    source.write_text(good.replace(line, slip))
    watched.wait_for("nothing has been changed")
    assert language.told in watched.text.partition("runs what is new")[2].replace("\r", "")
    assert asked(home, b"dee") == b"4"
    source.write_text(good)
    watched.wait_for("nothing that runs is different")

    # A crash, and why.
    errors = home.run("request", "hello", "-", input=language.fatal).stderr.decode()
    assert language.died_of in errors, errors
    why = home.out("why", "hello")
    assert language.died_of in why, why
    assert asked(home, b"eve") == b"5", "the failed turn has not happened"
    home.out("down")
    assert watched.wait_end() == 0
