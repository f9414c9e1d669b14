"""Completion: what is offered, at once and without a word if something is wrong; in a real bash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Home
from theater.cli.completion import SHELLS, completions
from theater.cli.grammar import Grammar, grammar, make


@pytest.fixture(scope="module")
def all_of_it() -> Grammar:
    return make()


def offered(root: Grammar, line: str) -> list[str]:
    return [each.partition("\t")[0] for each in completions(line.split(" "), root)]


@pytest.mark.parametrize(
    "line,some,none",
    [
        ("", {"up", "ps", "dead"}, {"--data", "list"}),
        ("p", {"ps"}, {"up"}),
        ("--d", {"--data", "--debug"}, {"--version", "-f"}),
        ("ps ", set(), {"up", "--json"}),
        ("ps --", {"--json", "--data", "--help"}, {"-f"}),
        ("-f x ps --j", {"--json"}, set()),
        ("ps -f ", {":file"}, set()),
        ("ps --data ", {":directory"}, set()),
        ("ps --data = ", {":directory"}, set()),
        ("ps --data = x --", {"--json"}, {":directory"}),
        ("dead ", {"list", "retry"}, {"ps"}),
        ("dead list --a", {"--all"}, set()),
        ("up ", {":file"}, set()),
        ("up x ", set(), {":file"}),
        ("replay ", {":file"}, set()),
        ("add --to", {"--to"}, set()),
        ("run x -- ", set(), {":file"}),
        ("run x -- --", set(), {"--data"}),
        ("request --timeout ", set(), {":file"}),
        ("completion ", {"bash", "zsh", "fish"}, set()),
        ("completion z", {"zsh"}, {"bash"}),
        ("nonsense --", {"--data"}, set()),
    ],
)
def test_what_fits_is_offered(
    all_of_it: Grammar,
    line: str,
    some: set[str],
    none: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = offered(all_of_it, line)  # nothing runs here, so there are no names of actors
    assert some <= set(found), found
    assert not none & set(found), found
    assert some or not found, found


def test_every_command_is_known_with_its_help(all_of_it: Grammar) -> None:
    for name, command in all_of_it["commands"].items():
        assert command["help"].endswith((".", "?")), name
    assert [kinds for kinds, _ in all_of_it["commands"]["send"]["arguments"]] == [["actor"], []]


def test_what_is_kept_is_made_again_when_the_commands_have_changed(tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "completion.json"
    first = grammar(str(cache))
    kept = json.loads(cache.read_text())
    assert kept["grammar"] == first
    marked = {**kept, "grammar": {**first, "help": "this very one"}}
    cache.write_text(json.dumps(marked))
    assert grammar(str(cache))["help"] == "this very one"
    marked["made_from"][0][1] += 1
    for content in (json.dumps(marked), "", "[]", "{", json.dumps({"made_from": None})):
        cache.write_text(content)
        assert grammar(str(cache)) == first
    cache.unlink()
    cache.mkdir()
    assert grammar(str(cache)) == first


def test_the_names_are_those_of_the_system_that_runs(running: Home) -> None:
    assert running.out("_complete", "why", "") == "probe\tactor\ncounter\tactor\n"
    assert running.out("_complete", "stop", "probe", "co") == "counter\tactor\n"
    assert running.out("_complete", "scale", "") == ""
    elsewhere = running.directory / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    manifest = str(running.directory / "theater.toml")
    for words in (["-f", manifest, "why"], ["why", "--data", str(running.data)]):
        assert "probe\t" in running.out("_complete", *words, "", cwd=elsewhere)


def test_the_names_of_a_system_that_is_down_are_in_its_log(home: Home) -> None:
    (home.directory / "theater.toml").write_text(
        'name = "x"\n[[child]]\nname = "shop"\nsupervisor = {}\n[[child.child]]\nname = "till"\n'
        f'component = "{Path(__file__).parent.parent / "components" / "minimal.wat"}"\n'
    )
    home.out("up", "-d")
    home.out("down")
    assert home.out("_complete", "logs", "sh") == "shop/till\tactor\nshop\tsupervisor\n"
    assert home.out("_complete", "children", "") == "shop\tsupervisor\n"


@pytest.mark.parametrize("words", [["why", ""], ["why", "-f", "missing.toml", ""], []])
def test_what_is_wrong_is_not_told(home: Home, words: list[str]) -> None:
    home.write()
    home.data.mkdir()
    (home.data / "chain.db").write_bytes(b"no database, whatever it is called " * 100)
    done = home.run("_complete", *words, env={"XDG_CACHE_HOME": "/proc/nothing/can/be/written"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert bool(done.stdout) is (words == [])


def test_a_key_waits_for_little(home: Home) -> None:
    home.out("_complete", "")
    code = (
        "import sys; sys.argv[1:] = ['_complete', 'why', ''];"
        "import theater.cli.main as m; m.main();"
        "print([n for n in ('typer', 'pydantic', 'rich', 'zmq') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=home.env, cwd=home.directory, capture_output=True
    )
    assert done.stdout == b"[]\n"


# In the shells


def shim(home: Home) -> dict[str, str]:
    """`theater` on the path."""
    directory = home.directory / "bin"
    directory.mkdir(exist_ok=True)
    command = directory / "theater"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m theater "$@"\n')
    command.chmod(0o755)
    return {
        **home.env,
        "PATH": f"{directory}:{os.environ['PATH']}",
        "HOME": str(home.directory),
        "SHELL": "/bin/bash",
    }


def in_bash(env: dict[str, str], cwd: Path, *words: str, source: str) -> list[str]:
    script = (
        f'{source}\nCOMP_WORDS=(theater "$@"); COMP_CWORD=$#\n_theater theater\n'
        'for each in "${COMPREPLY[@]}"; do echo "$each"; done'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], env=env, cwd=cwd, capture_output=True
    )
    assert done.stderr == b"", done.stderr.decode()
    return sorted(done.stdout.decode().splitlines())


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_commands_options_names_and_files(running: Home) -> None:
    env = shim(running)
    directory = running.directory / "files"
    directory.mkdir(exist_ok=True)
    (directory / "a file.toml").touch()
    (directory / "a directory").mkdir(exist_ok=True)
    source = "source <(theater completion bash)"
    for words, expected in (
        (["ps", "--js"], ["--json"]),
        (["why", "-f", "../theater.toml", "c"], ["counter"]),
        (["up", "a"], ["a directory", "a file.toml"]),
        (["ps", "--data", "a"], ["a directory"]),
        (["ps", "--data", "=", "a"], ["a directory"]),
        (["wh"], ["why", "why-restarted"]),
    ):
        assert in_bash(env, directory, *words, source=source) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_one_command_installs_it_and_twice_is_not_too_often(home: Home) -> None:
    env = shim(home)
    (home.directory / ".bashrc").write_text("# mine, without an end of line")
    for _ in range(2):
        done = home.run("completion", "--install", env=env)
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"It is there in each bash that is started from now on." in done.stderr
    (script,) = [
        path
        for path in (home.directory / ".local").rglob("*")
        if path.is_file() and path.name in ("theater", "completion.bash")
    ]
    started = (home.directory / ".bashrc").read_text()
    assert started.startswith("# mine, without an end of line")
    if script.name == "completion.bash":  # there is no bash-completion here, which looks for it
        assert started.count(str(script)) == 2  # in one line
        assert in_bash(env, home.directory, "wh", source='. "$HOME/.bashrc"')
    assert "why" in in_bash(env, home.directory, "wh", source=f'. "{script}"')


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts_are_right(home: Home, shell: str) -> None:
    text = home.out("completion", shell)
    assert "_complete" in text
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    path = home.directory / "script"
    path.write_text(text)
    subprocess.run([shell, "-n", str(path)], check=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes_commands(home: Home) -> None:
    script = 'theater completion fish | source; complete -C "theater wh"'
    done = subprocess.run(["fish", "-c", script], env=shim(home), capture_output=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.decode().splitlines()] == [
        "why",
        "why-restarted",
    ]


def test_an_unknown_shell_is_told_what_there_is(home: Home) -> None:
    assert "none of bash, zsh, fish" in home.fails(2, "completion", "tcsh")
    assert "none of bash, zsh, fish" in home.fails(2, "completion", env={"SHELL": "/bin/nologin"})
