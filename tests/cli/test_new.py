"""`theater new`, as it is typed."""

from __future__ import annotations

from tests.cli.conftest import Home


def test_it_tells_what_is_there_and_what_to_do_next(home: Home) -> None:
    text = home.out("new", "hello")
    assert text.startswith("hello: an actor in Python\n  hello.py ")
    assert text.endswith("next:\n  cd hello\n  theater build\n  theater run\n")
    assert (home.directory / "hello" / "theater.toml").exists()
    assert "\n  cd some/where\n" in home.out("new", "hello", "--lang", "wat", "--dir", "some/where")
    (home.directory / "here").mkdir()
    text = home.out("new", "hello", "--lang", "js", "--dir", ".", cwd=home.directory / "here")
    assert text.startswith(".: an actor in JavaScript\n")
    assert text.endswith("next:\n  npm install\n  theater build\n  theater run\n")


def test_a_tool_that_is_missing_is_named_with_what_installs_it(home: Home) -> None:
    (home.directory / "none").mkdir()
    env = {"PATH": str(home.directory / "none")}
    for language, what in (("js", "node"), ("rust", "cargo")):
        done = home.run("new", language, "--lang", language, env=env)
        assert done.returncode == 0 and done.stdout
        assert done.stderr.decode().startswith(f"{what}, which builds actors in ")
    assert home.run("new", "wat", "--lang", "wat", env=env).stderr == b""


def test_what_cannot_be_is_said(home: Home) -> None:
    assert '"hello-world" would be one' in home.fails(2, "new", "Hello World")
    assert "python" in home.fails(2, "new", "hello", "--lang", "cobol")
    home.out("new", "hello")
    errors = home.fails(1, "new", "hello")
    assert errors == (
        "theater: hello is there already and is not empty; take another name, or another directory"
        " with --dir\n"
    )


def test_on_a_terminal_the_language_is_asked_if_it_is_not_said(home: Home) -> None:
    terminal = home.terminal("new", "hello")
    terminal.wait_for("language (python, js, rust, wat) [python]: ")
    terminal.press("cobol\n")
    terminal.wait_for("cobol")
    terminal.press("wat\n")
    terminal.wait_for("hello: an actor in WAT")
    assert terminal.wait_end() == 0
    terminal = home.terminal("new", "other")
    terminal.wait_for("[python]: ")
    terminal.press("\n")
    terminal.wait_for("other: an actor in Python")
    assert terminal.wait_end() == 0
    terminal = home.terminal("new", "third")
    terminal.wait_for("[python]: ")
    terminal.press("\x04")
    terminal.wait_for("third: an actor in Python")
    assert terminal.wait_end() == 0
