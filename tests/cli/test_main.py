"""The frame around the commands: help, version, unexpected errors, what is imported when."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

import pytest
import typer.main

import theater
from tests.cli.conftest import Home
from theater.cli.app import ELSEWHERE, application, named

ALL = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
BELOW = {name: getattr(each, "commands", {}) for name, each in ALL.items()}
COMMANDS = [*ALL, *(f"{name} {each}" for name, below in BELOW.items() for each in below)]


def test_the_version_is_that_of_the_package(home: Home) -> None:
    assert home.out("--version") == f"theater {theater.__version__}\n"


def test_help_lists_every_command_in_80_columns(home: Home) -> None:
    text = home.out("--help", env={"COLUMNS": "80"})
    for command in ALL:
        assert f"\n  {command} " in text
    assert "..." not in text.partition("Commands:")[2], "a description is cut"
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_overview_lists_what_there_is() -> None:
    def listed(is_overview: bool) -> list[str]:
        app = typer.main.get_command(application(is_overview=is_overview))
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            app.main(["--help"], prog_name="theater")
        return out.getvalue().splitlines()

    assert listed(is_overview=True) == listed(is_overview=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_escapes(home: Home, command: str) -> None:
    text = home.out(*command.split(), "--help", env={"COLUMNS": "80"})
    assert text.startswith(f"Usage: theater {command} ")
    assert "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_an_error_of_our_own_has_a_traceback_only_when_asked_for(home: Home) -> None:
    home.write()
    home.data.mkdir()
    (home.data / "chain.db").mkdir()  # nothing of ours does that
    assert "Traceback" not in home.run("logs").stderr.decode()
    for arguments, env in ((["--debug", "logs"], {}), (["logs"], {"THEATER_DEBUG": "1"})):
        done = home.run(*arguments, env=env)
        assert b"Traceback" in done.stderr and done.returncode != 0


def test_a_log_that_is_none_is_an_environment_problem(home: Home) -> None:
    home.write()
    home.data.mkdir()
    (home.data / "chain.db").write_bytes(b"this is no database, whatever it is called " * 100)
    assert "cannot read the log" in home.fails(6, "logs")


def test_commands_import_only_what_they_need() -> None:
    code = (
        "import sys, theater.cli.app;"
        "print([name for name in ('zmq', 'sqlite3', 'wasmtime', 'pydantic', 'rich')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


@pytest.mark.parametrize(
    "arguments,without",
    [
        # Each costs more than all the rest of such a command.
        ("--version", ["typer", "msgpack", "pathlib", "subprocess"]),
        ("logs -f --data x probe", ["pydantic", "wasmtime", "rich"]),
        ("request probe hello --data x", ["pydantic", "wasmtime", "rich"]),
        ("dead list", ["pydantic", "zmq", "wasmtime", "rich"]),
        ("--help", ["pydantic", "zmq", "sqlite3", "wasmtime", "rich", "theater.client.system"]),
        (
            "ps --json",
            # Where nothing runs the log is asked how the last system ended, if there is one.
            ["pydantic", "zmq", "wasmtime", "rich", "theater.spec", "theater.causes"],
        ),
    ],
)
def test_what_is_asked_often_starts_with_little(
    home: Home, arguments: str, without: list[str]
) -> None:
    home.write()
    code = (
        "import atexit, sys, theater.cli.main;"
        f"atexit.register(lambda: print([n for n in {without!r} if n in sys.modules]));"
        f"sys.argv[1:] = {arguments.split()!r}; theater.cli.main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=home.directory, env=home.env
    )
    assert done.stdout.endswith(b"[]\n"), done


@pytest.mark.parametrize(
    "words,command",
    [
        ("ps", "ps"),
        ("ps dead", "ps"),
        ("dead list", "dead"),
        ("-f dead ps -f x", "ps"),
        ("--data=x --manifest ps --debug logs -f", "logs"),
        ("-fps why-restarted x", "why-restarted"),
        ("--help ps", None),  # all of it
        ("pss", None),  # which of all was meant?
        ("--nonsense", None),
        ("", None),
    ],
)
def test_only_the_parser_of_the_command_is_made(words: str, command: str | None) -> None:
    assert named(words.split()) == command
    commands = application(command).registered_commands
    assert len(commands) == (0 if command == "dead" else 1 if command else len(commands))


@pytest.mark.parametrize(("word", "meant"), ELSEWHERE.items())
def test_what_is_called_otherwise_elsewhere_leads_to_the_command(word: str, meant: str) -> None:
    assert word not in ALL and (meant in ALL or meant in ("--help", "--version"))


def test_who_types_another_tools_command_is_told_ours(home: Home) -> None:
    assert 'No such command "status". Here that is `theater ps`.' in home.fails(2, "status")
    assert "Here that is `theater ps`." in home.fails(2, "stauts")
    assert "Did you mean 'logs'" in home.fails(2, "lgs")
