"""Each command against a system that runs: what it prints where, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Home, actor
from tests.waiting import WAIT_S, eventually


def wait_line(home: Home, text: str) -> None:
    eventually(lambda: text in home.out("logs", "probe"), f"{text!r} in the log")


def test_ps_shows_every_actor_once(running: Home) -> None:
    header, *lines = running.out("ps").splitlines()
    assert header.startswith("ACTOR    STATUS")
    assert [line.split()[0] for line in lines] == ["probe", "counter"]


def test_ps_json_is_a_list_of_objects_with_what_a_program_needs(running: Home) -> None:
    rows = json.loads(running.out("ps", "--json"))
    assert [row["actor"] for row in rows] == ["probe", "counter"]
    for row in rows:
        assert row["status"] == "running"
        assert {"pid", "incarnation", "restarts", "mailbox", "restart_type", "supervisor"} <= set(
            row
        )


def test_a_request_prints_the_answer_byte_by_byte(running: Home) -> None:
    assert running.run("request", "probe", "echo hi").stdout == b"hi"
    raw = b"\x00\xff\x1b[31m\n"
    assert running.run("request", "probe", "-", input=b"echo " + raw[:-1]).stdout == raw[:-1]


def test_a_message_comes_from_an_argument_a_file_or_stdin(running: Home) -> None:
    path = running.directory / "message"
    path.write_bytes(b"echo from a file")
    assert running.out("request", "probe", "--file", str(path)) == "from a file"
    assert running.out("request", "probe", "-", input=b"echo from stdin") == "from stdin"
    assert running.out("request", "probe", "echo grüß") == "grüß"


def test_a_sent_message_is_handled_and_nothing_is_printed(running: Home) -> None:
    done = running.run("send", "probe", "log a sent line")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wait_line(running, "probe | a sent line")


def test_a_request_without_an_answer_says_why(running: Home) -> None:
    errors = running.fails(1, "request", "probe", "err no tea today")
    assert errors == "theater: failed: probe: err: no tea today\n"


def test_a_request_that_takes_too_long_ends(running: Home) -> None:
    errors = running.fails(1, "request", "probe", "spin 200000000", "--timeout", "0.05")
    assert "timeout: no answer from probe within 0.05 s" in errors


@pytest.mark.parametrize("command", ["send", "request"])
def test_a_message_for_nobody_is_an_error(running: Home, command: str) -> None:
    assert 'no-actor: there is no actor "nobody"' in running.fails(1, command, "nobody", "hi")
    assert 'actor "countr"; did you mean "counter"?' in running.fails(1, command, "countr", "hi")
    assert "no-actor: " in running.fails(1, command, "../etc", "hi")


@pytest.mark.parametrize(
    "arguments",
    [
        ["send", "probe"],
        ["send", "probe", "a", "--file", "b"],
        ["send"],
        ["request", "probe", "a", "--timeout", "0"],
        ["logs", "-n", "-1"],
        ["ps", "--nonsense"],
        ["nonsense"],
        ["up", "a.toml", "-f", "b.toml"],
    ],
)
def test_wrong_usage_is_exit_code_2(running: Home, arguments: list[str]) -> None:
    assert "Usage: theater" in running.fails(2, *arguments)


def test_logs_show_what_was_said_per_actor_and_only_the_last(running: Home) -> None:
    for number in range(4):
        running.out("send", "probe", f"log number {number}")
    wait_line(running, "number 3")
    assert running.out("logs", "probe", "-n", "2") == "probe | number 2\nprobe | number 3\n"
    assert running.out("logs", "-n", "0") == ""
    assert "number" not in running.out("logs", "counter")


def test_logs_json_is_one_object_a_line_and_escapes_nothing_away(running: Home) -> None:
    running.run("send", "probe", "-", input="log \x1b[31m\u202ered".encode())
    wait_line(running, "red")
    last = json.loads(running.out("logs", "probe", "--json").splitlines()[-1])
    assert last["line"] == "\x1b[31m\u202ered"
    assert last["actor"] == "probe" and last["committed"] is True
    assert {"seq", "time", "incarnation", "turn"} <= set(last)


def test_what_an_actor_says_never_reaches_the_output_raw(running: Home) -> None:
    running.run("send", "probe", "-", input="log \x1b]0;x\x07\x9b\u202eend".encode())
    wait_line(running, "end")
    for command in (["logs"], ["events"], ["logs", "--json"], ["events", "--json"]):
        done = running.run(*command)
        output = (done.stdout + done.stderr).decode()
        assert not set("\x1b\x07\x9b\u202e") & set(output), command
    errors = running.run("request", "probe", "-", input="err \x1b[31m\u202e".encode()).stderr
    assert b"\x1b" not in errors and b"\\x1b[31m\\u202e" in errors


def test_an_unknown_actor_gets_the_nearest_name(running: Home) -> None:
    errors = running.fails(1, "logs", "coutner")
    assert errors == 'theater: the log knows no actor "coutner"; did you mean "counter"?\n'


def test_events_tell_a_turn_in_order(running: Home) -> None:
    running.out("request", "counter", "x")
    call, result = running.out("events", "--actor", "counter", "-n", "2").splitlines()
    assert "wasm-call   handle-request(" in call
    assert "wasm-result handle-request -> ok, answer " in result
    assert "fuel " in result


def test_events_json_is_one_object_a_line_with_everything(running: Home) -> None:
    running.out("send", "probe", "log everything")
    wait_line(running, "everything")
    rows = [json.loads(line) for line in running.out("events", "--json").splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    logged = [row for row in rows if row["function"] == "log"][-1]
    assert logged["type"] == "host-call"
    assert logged["interface"] == "theater:simple/runtime"
    assert logged["payload"] == {"arguments": ["everything"], "answer": None}
    assert all(len(row["hash"]) == 64 for row in rows)


def test_a_long_message_is_whole_in_a_pipe(running: Home) -> None:
    body = "log " + "x" * 5000
    running.run("send", "probe", "-", input=body.encode())
    wait_line(running, "x" * 5000)
    assert body in running.out("events", "--actor", "probe", "-n", "3")


def test_stop_start_and_restart_say_what_became_of_it(running: Home) -> None:
    assert running.out("stop", "counter") == "counter: stopped\n"
    assert "stopped: counter is stopped" in running.fails(1, "send", "counter", "x")
    assert running.out("start", "counter") == "counter: running\n"
    assert "cannot start counter: it is running already" in running.fails(1, "start", "counter")
    assert running.out("restart", "probe", "counter") == "probe: running\ncounter: running\n"


def test_what_cannot_be_stopped_does_not_keep_the_others(running: Home) -> None:
    done = running.run("restart", "nobody", "counter")
    assert done.returncode == 1
    assert done.stdout == b"counter: running\n"
    assert b"cannot restart nobody: " in done.stderr


def test_a_second_up_on_the_same_data_is_refused(running: Home) -> None:
    for arguments in (["up"], ["up", "-d"]):
        assert "a system is running on" in running.fails(1, *arguments)
    assert running.run("ps").returncode == 0


def test_the_manifest_is_found_from_below(running: Home) -> None:
    below = running.directory / "a" / "b"
    below.mkdir(parents=True, exist_ok=True)
    assert "probe" in running.out("ps", cwd=below)


def test_the_system_can_be_named_from_anywhere(running: Home, tmp_path: Path) -> None:
    manifest, data = str(running.directory / "theater.toml"), str(running.data)
    for arguments in (
        ["-f", manifest, "ps"],
        ["ps", "-f", manifest],
        ["logs", "--manifest", manifest],
        ["--data", data, "ps"],
        ["events", "--data", data],
    ):
        assert "probe" in running.out(*arguments, cwd=tmp_path)


def test_a_pipe_that_is_closed_ends_a_command_quietly(running: Home) -> None:
    running.run("send", "probe", "-", input=b"\n".join([b"log " + b"y" * 1000] * 300))
    wait_line(running, "y" * 1000)
    process = running.popen("logs", stdout=-1, stderr=-1)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(WAIT_S) == 141
    assert process.stderr.read() == b""


def test_colours_are_for_terminals_that_want_them(running: Home) -> None:
    with_colour = running.terminal("logs")
    assert with_colour.wait_end() == 0
    assert "\x1b[" in with_colour.raw
    without = running.terminal("logs", NO_COLOR="1")
    assert without.wait_end() == 0
    assert "\x1b" not in without.raw
    assert "\x1b" not in running.out("logs")


def test_an_answer_on_a_terminal_is_escaped_and_ends_with_a_newline(running: Home) -> None:
    terminal = running.terminal("request", "probe", "echo \x1b[31mred\nlog x")
    assert terminal.wait_end() == 0
    terminal = running.terminal("request", "probe", "echo \x1b[31mred")
    assert terminal.wait_end() == 0
    assert terminal.raw == "\\x1b[31mred\r\n"


def test_check_warns_on_stderr_and_still_says_ok(home: Home) -> None:
    head = '[supervisor]\nstrategy = "one_for_all"\nintensity = 1'
    home.write(actor("a"), actor("b"), head=head)
    done = home.run("check")
    assert (done.returncode, done.stdout) == (0, b"ok: 2 actors, 1 component\n")
    slow, deadly = [line for line in done.stderr.decode().splitlines() if "warning" in line]
    assert slow.startswith("theater.toml: warning: supervisor: one_for_all stops siblings before ")
    assert deadly.startswith("theater.toml: warning: supervisor: a message that kills its actor ")


def test_check_judges_the_template_of_an_empty_pool(home: Home) -> None:
    head = '[supervisor]\nstrategy = "simple_one_for_one"\n'
    home.write(actor("a", "no-actor.wat"), head=head)
    assert home.fails(3, "check").count("theater.toml: child[0]: ") == 1
    home.write(actor("a"), head=head)
    assert home.out("check") == "ok: 0 actors, 1 pool, 1 component\n"


def test_check_tells_the_problems_of_a_template_once(home: Home) -> None:
    head = '[supervisor]\nstrategy = "simple_one_for_one"\ninstances = 50\n'
    home.write(actor("a", "no-actor.wat"), head=head)
    assert home.fails(3, "check").count("theater.toml: child[0]: ") == 1
    home.write(actor("a"), head=head)
    assert home.out("check") == "ok: 50 actors, 1 pool, 1 component\n"


def test_a_system_that_gave_up_is_not_one_that_was_taken_down(home: Home) -> None:
    home.write(actor("probe"), head="[supervisor]\nintensity = 0\n")
    home.out("up", "-d")
    home.out("send", "probe", "trap")
    eventually(lambda: home.run("ps").returncode == 4, "it to give up")
    told = home.fails(4, "ps")
    assert "the last one gave up at " in told and "probe died too often (trap: " in told
    assert "`theater why-restarted probe` tells" in told
    home.write(actor("probe"))
    home.out("up", "-d")
    home.out("down")
    assert "gave up" not in home.fails(4, "ps")
