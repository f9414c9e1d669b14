"""Handlers of authors' own on the command line: shown, begun, installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, Home
from tests.project.projects import HERE
from theater.project.names import names
from theater.project.new import HANDLER, rendered

BUILD_S = 600
OUTSIDE = Path(__file__).parents[1] / "real" / "outside.py"
WIT = """\
package test:outside;

/// What the tests have actors do.
interface post {
    /// It may not be done twice.
    post: func(text: string) -> result<string, string>;
    put: func(text: string) -> result<string, string>;
    look: func(text: string) -> result<string, string>;
    bare: func(text: string) -> string;
}
"""
ENTRY_POINTS = "[theater.handlers]\noutside = installed_outside:Outside\nbroken = nowhere:Nothing\n"


@pytest.fixture
def here(home: Home) -> Home:
    """`outside.py` and a component that calls it, and the same class installed as `outside`."""
    shutil.copy(OUTSIDE, home.directory)
    shutil.copy(COMPONENTS / "outside.wat", home.directory)
    packages = home.directory / "site"
    (packages / "outside-1.dist-info").mkdir(parents=True)
    (packages / "outside-1.dist-info" / "METADATA").write_text("Name: outside\nVersion: 1\n")
    (packages / "outside-1.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    shutil.copy(OUTSIDE, packages / "installed_outside.py")
    home.env["PYTHONPATH"] = f"{home.env['PYTHONPATH']}:{packages}"
    return home


def child(type: str) -> str:
    return (
        '[[child]]\nname = "a"\ncomponent = "outside.wat"\n'
        '[[child.handler]]\ntype = "message-server"\n'
        f'[[child.handler]]\ntype = "{type}"\npath = "done"\n'
    )


def test_its_interface_is_shown_and_how_it_is_granted(here: Home) -> None:
    told = here.out("inspect", "outside.py:Outside")
    assert told.startswith("outside.py:Outside provides test:outside/post\n")
    for line in WIT.splitlines():
        assert f"  {line}".rstrip() in told.splitlines()
    assert "put   changes something; interrupted, it is done again with the same key" in told
    assert '  type = "outside.py:Outside"\n  path = ...  # a string\n' in told
    assert here.out("inspect", "outside.py:Outside", "--wit") == WIT
    facts = json.loads(here.out("inspect", "outside", "--json"))
    assert (facts["handler"], facts["class"]) == ("outside", "installed_outside:Outside")
    assert facts["wit"] == WIT and facts["functions"]["look"]["effect"] == "read"
    assert facts["settings"] == {"path": "str", "greeting": "str?"}
    assert "has no class Outsied; it has Outside" in here.fails(3, "inspect", "outside.py:Outsied")
    assert "there is no module nowhere" in here.fails(3, "inspect", "broken")


def test_a_component_says_which_one_it_wants(here: Home) -> None:
    told = here.out("inspect", "outside.wat")
    assert 'test:outside/post  (granted by the handler "outside")' in told
    assert told.endswith('\n  [[child.handler]]\n  type = "outside"\n')
    assert json.loads(here.out("inspect", "outside.wat", "--json"))["own"] == {
        "test:outside/post": "outside"
    }
    here.env["PYTHONPATH"] = here.env["PYTHONPATH"].rpartition(":")[0]
    told = here.out("inspect", "outside.wat")
    assert "(of a handler of your own, which nothing here names)" in told
    assert 'type = "module:Class"  # that provides test:outside/post' in told
    here.write(child("outside.py:Outside"))
    told = here.out("inspect", "outside.wat")
    assert 'granted by the handler "outside.py:Outside"' in told


def test_check_names_what_is_missing(here: Home) -> None:
    without = child("runtime").replace('path = "done"\n', "")
    here.write(child("outside.py:Outside"), without.replace('"a"', '"b"'))
    errors = here.fails(3, "check")
    assert "child[1]: imports test:outside/post, which the manifest does not grant" in errors
    assert 'type = "outside.py:Outside"' in errors
    here.write(child("outsid"))
    errors = here.fails(3, "check")
    assert 'no handler is called "outsid"; did you mean "outside"?' in errors
    assert ", broken, outside; one of your own is named by its class" in errors
    here.write(child("outside"))
    assert here.out("check") == "ok: 1 actor, 1 component\n"
    limits = "[child.limits]\nturn_timeout = 1\n"
    here.write(child("outside") + limits)
    warned = here.run("check").stderr.decode()
    assert (
        "warning: child[0].handler[1]: post may take 2 s, and after limits.turn_timeout" in warned
    )


def test_an_installed_one_runs(here: Home) -> None:
    here.write(child("outside"))
    here.out("up", "-d")
    here.out("send", "a", "put hello")
    assert here.out("state", "a").strip().endswith("put hello (1)")
    assert (here.directory / "done").read_text() == "put hello a:2:1\n"


def test_a_new_project_has_one_that_runs(home: Home) -> None:
    pytest.importorskip("componentize_py")
    text = home.out("new", "hello", "--handler")
    assert "hello_handler.py  what it touches outside" in text
    assert text.endswith("next:\n  cd hello\n  theater build\n  theater run\n")
    assert "is written in Python" in home.fails(2, "new", "other", "--handler", "--lang", "js")
    # What is built of it is kept from one run of the tests to the next.
    place = HERE / "newcomer-handler"
    place.mkdir(parents=True, exist_ok=True)
    for path, content in rendered(HANDLER, names("hello")):
        if not (place / path).exists() or (place / path).read_text() != content:
            (place / path).write_text(content)
        assert (home.directory / "hello" / path).read_text() == content
    (place / "lines.txt").unlink(missing_ok=True)
    del home.env["XDG_CACHE_HOME"]
    subprocess.run(home.command("build"), cwd=place, env=home.env, check=True, timeout=BUILD_S)
    done = home.run("run", "--", "ann", "bob", cwd=place)
    assert (done.returncode, done.stdout) == (0, b'["ann"]\n["ann","bob"]\n'), done.stderr.decode()
    assert "2 lines, the last: bob" in done.stderr.decode()
    assert [line.split()[1] for line in (place / "lines.txt").read_text().splitlines()] == [
        "ann",
        "bob",
    ]
