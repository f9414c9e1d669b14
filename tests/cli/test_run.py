"""`theater run`: one actor in the foreground, typed to and piped to, with a manifest or without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, Home, actor
from tests.waiting import WAIT_S
from theater.cli.commands.system import split


@pytest.fixture
def here(home: Home, tmp_path: Path) -> Home:
    """A directory with two components and no manifest; what `run` makes is looked for in `tmp`."""
    for name in ("probe.wat", "counter.wat"):
        shutil.copy(COMPONENTS / name, home.directory)
    (home.directory / "tmp").mkdir()
    home.env["TMPDIR"] = str(home.directory / "tmp")
    return home


def left(home: Home) -> list[str]:
    return os.listdir(home.directory / "tmp")


def wait_running(run: subprocess.Popen[bytes]) -> None:
    assert run.stderr is not None
    assert any(b"is running" in line for line in run.stderr), "it has ended before"


def test_a_component_needs_no_manifest_and_leaves_nothing_behind(here: Home) -> None:
    done = here.run("run", "probe.wat", "--", "log heard\necho hi", "echo you")
    assert (done.returncode, done.stdout) == (0, b"hi\nyou\n")
    errors = done.stderr.decode()
    assert "probe is running; granted: message-server, runtime\n" in errors
    assert errors.index("probe | started\n") < errors.index("probe | heard\n")
    assert errors.endswith("probe * stopped\n")
    assert left(here) == [] and not here.processes()
    assert sorted(os.listdir(here.directory)) == ["counter.wat", "probe.wat", "tmp"]


def test_piped_lines_are_requests_and_the_answers_alone_are_the_output(here: Home) -> None:
    done = here.run("run", "probe.wat", input=b"count\ncount\n\necho last, without an end")
    assert done.returncode == 1  # an empty line is no command of the probe's
    assert done.stdout == b"1\n2\nlast, without an end\n"
    assert "turn 4 failed: err: unknown command" in done.stderr.decode()


def test_what_was_sent_is_handled_before_the_end(here: Home) -> None:
    message = b"sends 200 probe append x\nsend probe log the last one\n"
    done = here.run("run", "probe.wat", "--send", "--", message.decode())
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"probe | the last one\nprobe * stopped\n" in done.stderr


def test_a_component_without_requests_is_sent_lines(here: Home) -> None:
    text = (here.directory / "probe.wat").read_text()
    asked = '(export "handle-request" (func $handle-request))'
    assert asked in text
    (here.directory / "mute.wat").write_text(text.replace(asked, ""))
    done = here.run("run", "mute.wat", "--", "log heard", "echo to nobody")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"mute | heard\n" in done.stderr
    done = here.run("run", "mute.wat", "--request", "--", "echo hi")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"handle-request" in done.stderr
    shutil.copy(COMPONENTS / "minimal.wat", here.directory)
    done = here.run("run", "minimal.wat", "--", "hello")
    assert done.returncode == 1 and b"minimal" in done.stderr, done.stderr


def test_a_failure_is_told_with_what_to_do_and_the_next_message_is_answered(here: Home) -> None:
    done = here.run("run", "probe.wat", "--", "log lost\ntrap", "echo still here")
    assert (done.returncode, done.stdout) == (1, b"still here\n")
    errors = done.stderr.decode()
    assert "probe ~ lost  (not committed)\n" in errors
    assert "probe ! turn 2 failed: trap: wasm `unreachable` instruction executed\n" in errors
    assert "probe ! its message is set aside as dead letter 1\n" in errors
    assert errors.count("theater why probe --data DIR") == 1
    assert "theater: failed" not in errors  # the same once more


def test_what_is_kept_is_gone_on_from_and_explained(here: Home) -> None:
    first = here.run("run", "probe.wat", "--data", "kept", "--", "count", "trap")
    assert (first.returncode, first.stdout) == (1, b"1\n")
    assert b"`theater why probe --data kept` tells all of it" in first.stderr
    assert "trapped" in here.out("why", "probe", "--data", "kept")
    second = here.run("run", "probe.wat", "--data", "kept", "--", "count")
    assert (second.returncode, second.stdout) == (0, b"2\n")
    assert b"turn 3 failed" not in second.stderr, "old news"
    assert left(here) == []


def test_an_actor_that_ends_ends_the_run(here: Home) -> None:
    here.run("inspect", "probe.wat")
    run = here.popen(
        "run", "probe.wat", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert run.stdin is not None and run.stdout is not None and run.stderr is not None
    run.stdin.write(b"shutdown done\n")  # and the pipe stays open
    run.stdin.flush()
    assert run.wait(WAIT_S) == 0
    assert b"probe * ended: " in run.stderr.read()


def test_a_system_that_gives_up_ends_the_run_and_says_what_was_not_said(here: Home) -> None:
    here.write(actor("probe"), head="[supervisor]\nintensity = 0")
    done = here.run("run", "--", "echo hi", "trap", *["echo more"] * 20)
    assert done.returncode == 1 and done.stdout.startswith(b"hi\n")
    errors = done.stderr.decode()
    assert "not given to it, because it has ended" in errors
    assert "gave up: probe needed more than 0 restarts" in errors
    assert left(here) == []


def test_two_runs_do_not_share_what_they_keep(here: Home) -> None:
    first = here.popen(
        *("run", "counter.wat", "--data", "kept"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_running(first)
    errors = here.fails(1, "run", "counter.wat", "--data", "kept", "--", "x")
    assert "a system is running on" in errors


def test_a_start_that_fails_says_why(here: Home) -> None:
    here.write(actor("probe", extra='initial_state = "init-log so far\\nerr no"'))
    done = here.run("run")
    assert (done.returncode, done.stdout) == (1, b"")
    errors = done.stderr.decode()
    assert "probe ~ so far  (not committed)\n" in errors
    assert "err: no" in errors
    assert left(here) == []


def test_a_manifest_with_one_actor_is_run_with_its_own_grants(here: Home) -> None:
    here.write(actor("prober"))
    for words in ([], [".."]):
        done = here.run("run", *words, "--", "self", cwd=here.directory / "tmp")
        assert (done.returncode, done.stdout) == (0, b"prober\n")
        assert b"granted" not in done.stderr
    assert not here.data.exists() and left(here) == []
    here.write(actor("prober").replace('{ type = "runtime" }, ', ""))
    assert "which the manifest does not grant" in here.fails(3, "run")


def test_a_new_project_runs_as_it_is(here: Home) -> None:
    here.out("new", "hello", "--lang", "wat")
    done = here.run("run", "--", "ann", "bob", cwd=here.directory / "hello")
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout.splitlines()) == 2
    assert here.run("run", "hello", "--", "ann").returncode == 0
    assert left(here) == []


def test_what_cannot_be_run_says_what_can(here: Home) -> None:
    (here.directory / "empty").mkdir()
    here.write(actor("a"), actor("b"))
    for code, words, why in (
        (2, [], "theater.toml has 2 actors (a, b), and `theater run` runs one"),
        (2, ["empty"], "nothing in empty says what to run: no theater.toml, manifest.toml, "),
        (3, ["missing.wasm"], "there is no such file"),
        (3, ["missing.toml"], "there is no such file"),
        (3, [str(COMPONENTS / "no-actor.wat")], "does not export theater:simple/actor"),
        (3, [str(COMPONENTS / "core-module.wat")], "a core module, not a component"),
        (2, ["a", "-f", "b"], "give either PATH or --manifest FILE"),
        (2, ["a", "b", "--", "c"], "one PATH, then -- and the messages"),
    ):
        assert why in " ".join(here.fails(code, "run", *words).split())
    assert left(here) == []


def test_a_conversation_in_a_terminal(here: Home) -> None:
    terminal = here.terminal("run", "probe.wat")
    terminal.wait_for("each line is a request, Ctrl-D ends it")
    terminal.wait_for("probe> ")
    terminal.press("echo hello\x1b[31m\n")
    terminal.wait_for("hello\\x1b[31m\n")
    terminal.press("\n")  # nothing is said with it
    terminal.press("trap\n")
    terminal.wait_for("turn 3 failed: trap")
    terminal.wait_for("while this one runs, tells all of it")
    (run,) = left(here)
    where = str(here.directory / "tmp" / run / "data")
    assert where in terminal.text.replace("\n", "")
    assert "trapped" in here.out("why", "probe", "--data", where)
    here.run("send", "probe", "log from elsewhere", "--data", where)
    terminal.wait_for("probe | from elsewhere\n")
    terminal.press("\x04")
    assert terminal.wait_end() == 1
    assert terminal.text.endswith("probe * stopped\n")
    assert left(here) == [] and not here.processes()


@pytest.mark.parametrize("key,code", [("\x03", 130), ("\x04", 0)])
def test_a_key_ends_it_in_order(here: Home, key: str, code: int) -> None:
    terminal = here.terminal("run", "counter.wat")
    terminal.wait_for("counter> ")
    terminal.press(key)
    assert terminal.wait_end() == code
    assert "counter * stopped" in terminal.text
    assert left(here) == [] and not here.processes()


def test_ctrl_c_ends_a_request_that_takes_for_ever(here: Home) -> None:
    extra = 'shutdown = "infinity"\nlimits = { fuel = 1000000000000000, turn_timeout = 600 }'
    here.write(actor("probe", extra=extra))
    terminal = here.terminal("run")
    terminal.wait_for("probe> ")
    terminal.press("loop\n")
    terminal.press("\x03")
    terminal.wait_for("stopping it ... (Ctrl-C again kills)")
    terminal.press("\x03")
    terminal.wait_for("killing it")
    assert terminal.wait_end() == 130
    assert left(here) == [] and not here.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(here: Home, number: signal.Signals) -> None:
    run = here.popen("run", "counter.wat", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_running(run)
    assert run.stderr is not None
    run.send_signal(number)
    assert run.wait(WAIT_S) == 128 + number
    assert run.stderr.read().endswith(b"counter * stopped\n")
    assert left(here) == [] and not here.processes()


@pytest.mark.parametrize(
    "line,path,messages",
    [
        ("", None, []),
        ("a", "a", []),
        ("a -- b c", "a", ["b", "c"]),
        ("-- b c", None, ["b", "c"]),
        ("a -- b -- c", "a", ["b", "--", "c"]),
        ("a --", "a", []),
        ("a b", "a", ["b"]),
    ],
)
def test_messages_come_after_the_dashes(line: str, path: str | None, messages: list[str]) -> None:
    given = ["run", *line.split()]
    words = [word for at, word in enumerate(given) if at and (word != "--" or "--" in given[:at])]
    assert split(words, given) == (None if path is None else Path(path), messages)
