"""The life of a system seen from `theater up`: its start, what happens to it, every way it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Home, actor
from tests.waiting import WAIT_S, eventually
from theater import linux
from theater.supervisor.datadir import open_data

ENDLESS = 'shutdown = "infinity"\nlimits = { fuel = 1000000000000000, turn_timeout = 600 }'


def ready(home: Home) -> bool:
    done = home.run("ps", "--json")
    rows = json.loads(done.stdout) if done.returncode == 0 else []
    return bool(rows) and all(row["status"] == "running" for row in rows)


def pid_of(home: Home, name: str) -> int:
    rows = json.loads(home.out("ps", "--json"))
    return int(next(row["pid"] for row in rows if row["actor"] == name))


def test_a_newcomer_sees_an_actor_crash_and_come_back(home: Home) -> None:
    home.write(actor("probe"), actor("counter", "counter.wat"))
    terminal = home.terminal("up")
    terminal.wait_for("test: 2 actors are running")
    terminal.wait_for("Ctrl-C stops it")
    home.out("send", "probe", "log so far so good\ntrap")
    terminal.wait_for("restarted: incarnation 2")
    for text in (
        "probe   | started",
        "probe   * started: incarnation 1, pid ",
        "probe   ~ so far so good  (not committed)",
        "probe   ! turn 2 failed: trap: ",
        "probe   ! its message is set aside as dead letter 1",
        "probe   * restarting (2 of 3 restarts in 5 s left)",
    ):
        terminal.wait_for(text)
    home.out("send", "probe", "send nobody hello")
    terminal.wait_for("probe   ! its message to nobody is set aside as dead letter 2: no-actor: ")
    terminal.press("\x03")
    assert terminal.wait_end() == 130
    stopping, probe, counter, stopped = (
        terminal.text.index(text)
        for text in (
            "stopping in reverse order ... (Ctrl-C again kills)",
            "probe   * stopped",
            "counter * stopped",
            "\nstopped\n",
        )
    )
    assert stopping < counter < probe < stopped
    assert not home.processes()


def test_a_killed_actor_comes_back_and_up_says_what_killed_it(home: Home) -> None:
    home.write(actor("probe"))
    up = home.popen("up", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: ready(home), "the start")
    os.kill(pid_of(home, "probe"), signal.SIGKILL)
    eventually(lambda: '"incarnation": 2' in home.out("ps", "--json"), "the restart")
    eventually(lambda: ready(home), "the restarted actor")
    up.send_signal(signal.SIGINT)
    out, errors = up.communicate(timeout=WAIT_S)
    assert up.returncode == 130
    assert b"probe ! died: killed by SIGKILL\nprobe * restarting" in out
    assert b"\x1b" not in out + errors
    assert errors.splitlines()[-1] == b"stopped"
    assert not home.processes()


def test_a_second_ctrl_c_kills_what_does_not_stop(home: Home) -> None:
    home.write(actor("stuck", extra=ENDLESS))
    terminal = home.terminal("up")
    terminal.wait_for("Ctrl-C stops it")
    home.out("send", "stuck", "loop")
    terminal.press("\x03")
    terminal.wait_for("(Ctrl-C again kills)")
    assert home.processes()
    terminal.press("\x03")
    terminal.wait_for("killing everything")
    assert terminal.wait_end() == 130
    assert not home.processes()


def test_ctrl_c_while_it_starts_leaves_nothing_behind(home: Home) -> None:
    script = "spin 1000000000000"
    extra = f'initial_state = "init-{script}"\n{ENDLESS}'.replace("600", "600, start_timeout = 600")
    home.write(actor("slow", extra=extra.replace('"infinity"', '"brutal_kill"')))
    terminal = home.terminal("up")
    eventually(lambda: terminal.read(0.01) and "starting slow" in terminal.text, "the start")
    terminal.press("\x03")
    assert terminal.wait_end() == 130
    assert not home.processes()


def test_sigterm_is_an_orderly_down(home: Home) -> None:
    home.write(actor("probe"))
    up = home.popen("up", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: ready(home), "the start")
    up.send_signal(signal.SIGTERM)
    out, errors = up.communicate(timeout=WAIT_S)
    assert up.returncode == 0
    assert out.endswith(b"probe * stopped\n")
    assert b"stopping in reverse order" in errors
    assert not home.processes()


def test_when_up_itself_is_killed_the_system_goes_down(home: Home) -> None:
    home.write(actor("probe"))
    up = home.popen("up", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: ready(home), "the start")
    up.kill()
    up.wait()
    eventually(lambda: not home.processes(), "the system to be gone")
    assert home.out("events", "--actor", "probe", "-n", "1").split()[4:6] == ["decided", "stopped,"]


def test_when_nobody_reads_any_more_a_foreground_system_ends(home: Home) -> None:
    home.write(actor("probe"))
    up = home.popen("up", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: ready(home), "the start")
    assert up.stdout is not None and up.stderr is not None
    up.stdout.close()
    home.out("send", "probe", "log is there anybody?")
    assert up.wait(WAIT_S) == 141
    assert b"Traceback" not in up.stderr.read()
    assert not home.processes()


def test_a_system_that_gives_up_says_why_and_fails(home: Home) -> None:
    home.write(actor("probe"), head="supervisor = { intensity = 0, period = 5 }")
    up = home.popen("up", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: ready(home), "the start")
    home.out("send", "probe", "trap")
    out, errors = up.communicate(timeout=WAIT_S)
    assert up.returncode == 1
    assert b"probe ! turn 2 failed: trap: " in out
    assert b"theater: gave up: probe needed more than 0 restarts in 5 s" in errors
    assert not home.processes()


def test_taken_down_from_elsewhere_up_ends_well(home: Home) -> None:
    home.write(actor("probe"))
    up = home.popen("up", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: ready(home), "the start")
    home.out("down")
    _, errors = up.communicate(timeout=WAIT_S)
    assert up.returncode == 0
    assert errors.endswith(b"stopped\n")
    assert not home.processes()


def test_detached_it_returns_when_ready_and_holds_nobodys_pipe(home: Home) -> None:
    home.write(actor("probe"), actor("counter", "counter.wat"))
    done = home.run("up", "-d")  # would hang if the system held our pipes
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"test: 2 actors are running" in done.stderr
    assert ready(home)
    assert home.run("down").returncode == 0
    assert not home.processes()


def test_detached_a_failed_start_says_why_and_leaves_nothing(home: Home) -> None:
    home.write(actor("good"), actor("bad", extra='initial_state = "init-log hello\\ntrap"'))
    errors = home.fails(1, "up", "-d")
    assert "bad  ~ hello  (not committed)" in errors
    assert "theater: bad failed to start: trap: " in errors
    assert not home.processes()


def test_no_python_file_of_the_working_directory_is_run(home: Home) -> None:
    for name in ("theater", "zmq", "msgpack"):
        (home.directory / name).mkdir()
        (home.directory / name / "__init__.py").write_text("open('trapped', 'w')\nraise SystemExit")
    home.write(actor("probe"))
    home.out("up", "-d")
    assert home.out("request", "probe", "echo hi") == "hi"
    home.out("down")
    assert not (home.directory / "trapped").exists()


def test_a_broken_manifest_starts_nothing_and_names_every_problem(home: Home) -> None:
    home.write(
        '[[child]]\nname = "a"\ncomponent = "nowhere.wat"\n',
        '[[child]]\nname = "a"\nrestrat = "always"\n',
    )
    for command in (["check"], ["up"], ["up", "-d"]):
        errors = home.fails(3, *command)
        assert "theater.toml: child[0].component: " in errors
        assert 'child[1].restrat: unknown key; did you mean "restart"?' in errors
    assert not home.data.exists()


@pytest.mark.parametrize(
    "component", ["bad-syntax.wat", "core-module.wat", "no-actor.wat", "imports-store.wat"]
)
def test_a_broken_component_is_exit_code_3(home: Home, component: str) -> None:
    home.write(actor("a"), actor("b", component))
    for command in (["check"], ["up", "-d"]):
        assert "child[1]" in home.fails(3, *command)
    assert not home.processes()


def test_check_says_ok_and_starts_nothing(home: Home) -> None:
    home.write(actor("a"), actor("b"), actor("c", "counter.wat"))
    assert home.out("check") == "ok: 3 actors, 2 components\n"
    assert home.out("check", "theater.toml") == "ok: 3 actors, 2 components\n"
    assert not home.data.exists()


def test_nothing_runs_is_exit_code_4(home: Home) -> None:
    home.write(actor("a"))
    for command in (["ps"], ["send", "a", "x"], ["request", "a", "x"], ["stop", "a"]):
        assert "no system is running (data in .theater); `theater up` starts" in home.fails(
            4, *command
        )
    assert "(data in old); `theater up --data old` starts one" in home.fails(
        4, "ps", "--data", "old"
    )
    done = home.run("down")  # as it shall be, it is
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"nothing is running\n")
    assert "nothing has run here yet" in home.fails(4, "logs")


def test_without_a_manifest_it_says_which_names_it_looked_for(home: Home) -> None:
    assert "no theater.toml or manifest.toml here or above" in home.fails(3, "ps")
    assert "nope.toml: there is no such file" in home.fails(3, "-f", "nope.toml", "ps")
    assert "nope.toml: there is no such file" in home.fails(3, "up", "nope.toml")


def test_a_data_directory_that_cannot_be_made_is_exit_code_6(home: Home) -> None:
    home.write(actor("a"))
    (home.directory / "file").write_text("")
    assert "cannot use the data directory" in home.fails(6, "up", "--data", "file/data")


def counts(home: Home, expected: str) -> Callable[[], bool]:
    return lambda: home.out("request", "counter", "x") == expected


def test_the_log_outlives_the_system_and_the_state_too(home: Home) -> None:
    home.write(actor("counter", "counter.wat"), actor("probe"))
    for expected in ("1", "2"):
        home.out("up", "-d")
        home.out("send", "counter", "x")
        eventually(counts(home, expected), "the count")
        home.out("down")
    assert home.out("logs", "probe", "-n", "1") == "probe | started\n"
    assert home.out("events", "-n", "1")
    followed = home.run("logs", "-f", "-n", "1")
    assert followed.returncode == 0
    assert b"no system is running" in followed.stderr


@pytest.mark.parametrize("command", ["logs", "events"])
def test_following_shows_what_comes_and_ends_with_the_system(home: Home, command: str) -> None:
    home.write(actor("probe"))
    home.out("up", "-d")
    follower = home.popen(command, "-f", "-n", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline()  # it has begun
    home.out("send", "probe", "log something new")
    while b"something new" not in (line := follower.stdout.readline()):
        assert line
    home.out("down")
    _, errors = follower.communicate(timeout=WAIT_S)
    assert follower.returncode == 0
    assert errors == b"the system has stopped\n"


def test_a_follower_that_is_interrupted_ends_with_130(home: Home) -> None:
    home.write(actor("probe"))
    home.out("up", "-d")
    terminal = home.terminal("logs", "-f")
    terminal.wait_for("started")
    terminal.press("\x03")
    assert terminal.wait_end() == 130
    assert "Traceback" not in terminal.text
    assert ready(home)


def test_down_can_be_told_not_to_wait(home: Home) -> None:
    home.write(actor("stuck", extra=ENDLESS))
    home.out("up", "-d")
    home.out("send", "stuck", "loop")
    for patience in ("0", "0.2"):
        said = home.fails(1, "down", "--timeout", patience)
        assert f"still stopping after {patience} s" in said
    assert home.out("down", "--kill") == ""
    assert not home.processes()


def test_root_that_is_killed_takes_everything_along_and_up_says_so(home: Home) -> None:
    home.write(actor("probe"))
    up = home.popen("up", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: ready(home), "the start")
    from theater.client.control import Control
    from theater.supervisor.datadir import runtime_of

    control = Control(runtime_of(str(home.data)).control)
    os.kill(control.ask("ps")["pid"], signal.SIGKILL)
    control.close()
    _, errors = up.communicate(timeout=WAIT_S)
    assert up.returncode == 6
    assert b"the system ended without a word (killed by SIGKILL)" in errors
    eventually(lambda: not home.processes(), "every process to be gone")
    assert "no system is running" in home.fails(4, "ps")


def test_fresh_begins_anew_and_says_where_the_old_log_can_be_read(home: Home) -> None:
    home.write(actor("probe"))
    assert home.run("up", "-d", "--fresh").returncode == 0
    assert not (home.data / "archive").exists(), "there was nothing to put away"
    home.out("request", "probe", "log before\nset old")
    assert "a system is running on" in home.fails(1, "up", "-d", "--fresh")
    home.out("down")
    done = home.run("up", "-d", "--fresh")
    (archive,) = (home.data / "archive").iterdir()
    data = f".theater/archive/{archive.name}"
    assert f"what was there is in {data}; `theater logs --data {data}` reads it" in (
        done.stderr.decode()
    )
    assert home.out("request", "probe", "get") == ""
    assert "before" not in home.out("logs")
    assert "probe | before" in home.out("logs", "--data", data)
    assert home.out("fsck", "--data", data).endswith(": whole\n")
    home.out("down")


def test_a_system_that_only_has_its_lock_yet_is_said_to_start(home: Home) -> None:
    """As while it compiles; here it is us."""
    home.write(actor("a"))
    name = Path("/proc/self/comm").read_text().strip()
    _, lock = open_data(str(home.data))
    try:
        linux.set_name("theater-root")
        for command in (["ps"], ["down"], ["send", "a", "x"]):
            assert "the system is just starting, or ending" in home.fails(4, *command)
        linux.set_name(name)
        assert "no system is running" in home.fails(4, "ps"), "that lock is none of ours"
    finally:
        linux.set_name(name)
        os.close(lock)
    assert home.run("down").returncode == 0
