"""Why something was started again, in words: for each reason one sentence, and the steps there."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from tests.stage import Stage, actor, supervisor
from theater.causes import Account, accounts
from theater.cli.account import account_json, tell
from theater.cli.headline import headline
from theater.cli.terminal import Stream
from theater.events import Event
from theater.spec import AutoShutdown, Backoff, Strategy
from theater.supervisor import policy

ALL = Strategy.ONE_FOR_ALL
NOW = datetime.datetime.fromtimestamp(60.0).timestamp()


class Log:
    """What the log would know beside the facts."""

    def evidence(self, hash: bytes) -> list[Event]:
        return []

    def query(self, sql: str, *parameters: Any) -> list[Any]:
        if "i.pid" in sql:
            return [(4711,)]
        if "m.kind" in sql:
            return [("request", "shop/bob\x1b")]
        return [("send",)] if "SELECT kind" in sql else [(3,)]


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


def last(stage: Stage, name: str, running: bool = True) -> Account:
    child = stage.state.children.get("" if name == "/" else name)
    runs = running and child is not None and child.alive
    (account,) = accounts(stage.log, name, 1, runs)
    return account


def lines(account: Account, status: str = "", windows: dict[str, int] | None = None) -> list[str]:
    told = tell(account, Log(), Stream(StringIO()), NOW, windows or {}, status)
    told = [line.replace(" " * 19, " " * 13, 1) for line in told]
    return [re.sub(r"^  \d\d:\d\d:\d\d\.\d{3}", "  <time>", line) for line in told]


def flat(restart: str = "permanent", **more: Any) -> Stage:
    return Stage(supervisor("", actor("a", restart), actor("b"), **more))


def nested(restart: str = "permanent", **more: Any) -> Stage:
    shop = supervisor("s", actor("s/a"), actor("s/b"), restart=restart, intensity=0)
    return Stage(supervisor("", shop, actor("y"), **more))


def test_that_it_began_anew_is_told_before_the_start() -> None:
    stage = flat()
    stage.do(policy.RestartChild("a", init=True))
    told = lines(last(stage, "a"))
    assert [line.split("  ", 3)[-1].strip() for line in told[1:]] == [
        "restart with init asked for",
        "stopped",
        "begins anew with init, as somebody asked for",
        "started: incarnation 2, pid 4711",
    ]
    stage.do(policy.RestartChild("a"))
    assert not any("anew" in line for line in lines(last(stage, "a")))


def test_a_planned_restart_is_told_as_one() -> None:
    stage = flat(strategy=ALL)
    stage.recycle("a")
    first, *rest = lines(last(stage, "a"), "running 3s", {"/": 3})
    assert first.endswith(
        "(incarnation 2): as planned, it had run 1000 turns, and its state goes on"
    )
    assert rest == [
        "  <time>  a  a planned restart: it has run 1000 turns",
        "  <time>  a  stopped",
        "  <time>  a  started: incarnation 2, pid 4711",
    ]
    assert last(stage, "b").incarnation == 1
    stage.turn("a")
    stage.log.write("a", "decided", decision="recycle", turns=7, incarnation=2)
    stage.log.write("a", "exited", kind="shutdown", reason="stopped")
    first = lines(last(stage, "a", running=False))[0]
    assert first == "a was about to be restarted: as planned, it had run 7 turns"


def test_a_restart_is_told_from_the_death_to_the_start() -> None:
    stage = flat(strategy=ALL)
    stage.crash("a")
    first, *rest = lines(last(stage, "b"), "running 3s", {"/": 3})
    assert re.match(r"b was restarted at \d\d:\d\d:\d\d \(incarnation 2\): a had died, and ", first)
    assert rest == [
        "  <time>  a  turn 7 failed: trap: ouch",
        "             its message (a request from shop/bob\\x1b) is set aside as dead letter 3",
        "  <time>  a  to be restarted: it is permanent",
        "             / is one_for_all: stop b, then start a, b",
        "             2 of 3 restarts in 5 s were left then, now 3",
        "  <time>  b  stopped",
        "  <time>  b  started: incarnation 2, pid 4711",
    ]


def test_a_chain_of_causes_is_told_to_its_beginning() -> None:
    stage = nested()
    stage.crash("s/a")
    first, *rest = lines(last(stage, "s/b"))
    assert first.endswith("(incarnation 2): with its supervisor s; s had given up")
    assert [line.split("  ", 2)[2].strip() for line in rest if "<time>" in line] == [
        "s/a  turn 7 failed: trap: ouch",
        "s    gave up on s/a: more than 0 restarts in 5 s; stopping s/b",
        "s/b  stopped",
        "s    to be restarted: it is permanent",
        "s/b  started: incarnation 2, pid 4711",
    ]


def do(event: policy.Event) -> Callable[[Stage], None]:
    return lambda stage: stage.do(event)


def crash(name: str) -> Callable[[Stage], None]:
    return lambda stage: stage.crash(name)


def fail_by_hand(stage: Stage) -> None:
    stage.do(policy.StopChild("a"))
    stage.broken = {"a"}
    stage.do(policy.StartChild("a"))


def fail_once(stage: Stage) -> None:
    stage.broken = {"a"}
    stage.crash("a")
    stage.tick(2.0)
    stage.broken = set()
    stage.tick(2.0)


def up_again(stage: Stage) -> None:
    stage.do(policy.Shutdown())
    stage.up(supervisor("", actor("a"), actor("b")))


def remove(stage: Stage) -> None:
    stage.log.write("a", "removed", reason="no-actor: it was deleted")
    del stage.state.children["a"]


WAITING = Backoff(1.0, factor=1.0)


@pytest.mark.parametrize(
    "stage, happens, name, told",
    [
        (flat(), lambda stage: None, "a", "was started #1, for the first time"),
        (flat(), up_again, "a", "was started #2 with the system, by `theater up`"),
        (flat(), crash("a"), "a", "was restarted #2: it had died"),
        (flat(), lambda stage: stage.end("a"), "a", "was restarted #2: it had ended by itself"),
        (flat(backoff=WAITING), fail_once, "a", "was restarted #3: the start before had failed"),
        (
            flat(strategy=ALL),
            crash("a"),
            "b",
            "was restarted #2: a had died, and one_for_all takes this one along",
        ),
        (
            nested(strategy=ALL),
            crash("y"),
            "s/a",
            "was restarted #2: with its supervisor s; y had died",
        ),
        (nested(), crash("s/a"), "s", "was restarted #0: it had given up"),
        (
            flat(),
            do(policy.RestartChild("a")),
            "a",
            "was restarted #2: somebody asked for it (restart)",
        ),
        (
            nested(),
            do(policy.RestartChild("s")),
            "s/a",
            "was restarted #2: somebody asked for it (restart s)",
        ),
        (
            nested(),
            do(policy.RestartChild("s/a", by_parent=True)),
            "s/a",
            "was restarted #2: s asked for it (restart)",
        ),
        (
            flat(),
            do(policy.AddChild("", actor("n"))),
            "n",
            "was started #1: somebody asked for it (add)",
        ),
        (
            flat(backoff=WAITING),
            crash("a"),
            "a",
            "is STATUS: it had died, and a backoff makes it wait",
        ),
        (
            flat(strategy=ALL, backoff=WAITING),
            crash("a"),
            "b",
            "is STATUS: a had died, and a backoff makes it wait",
        ),
        (
            flat("transient"),
            lambda stage: stage.end("a"),
            "a",
            "does not run (STATUS): it had ended by itself, and it is transient",
        ),
        (
            flat("temporary"),
            crash("a"),
            "a",
            "does not run (STATUS): it had died, and it is temporary",
        ),
        (
            nested("transient"),
            crash("s/a"),
            "s",
            "does not run (STATUS): it had given up, and it is transient",
        ),
        (
            nested("transient"),
            crash("s/a"),
            "s/b",
            "does not run (STATUS): its supervisor s gave up",
        ),
        (
            flat(),
            fail_by_hand,
            "a",
            "does not run (STATUS): its start failed, and nobody starts it again",
        ),
        (
            flat(),
            do(policy.StopChild("a")),
            "a",
            "does not run (STATUS): somebody asked for it (stop)",
        ),
        (
            flat("temporary", strategy=ALL),
            crash("b"),
            "a",
            "does not run (STATUS): it was stopped because b had died, and it is temporary",
        ),
        (flat(), do(policy.Shutdown()), "a", "does not run (STATUS): the system was taken down"),
        (flat(), remove, "a", "does not run: it is no longer in the tree"),
    ],
)
def test_there_is_a_sentence_for_each_reason(
    stage: Stage, happens: Callable[[Stage], object], name: str, told: str
) -> None:
    happens(stage)
    account = last(stage, name)
    shown = headline(account, NOW, "STATUS").replace(f" (incarnation {account.incarnation})", "")
    shown = re.sub(r"at \d\d:\d\d:\d\d", f"#{account.incarnation}", shown)
    assert shown == f"{name} {told}"
    assert lines(account), "the steps can be told too"


def test_there_is_a_sentence_for_a_system_that_was_killed_or_not_decided_yet() -> None:
    stage = flat()
    account = last(stage, "a", running=False)
    assert headline(account, NOW, "") == (
        "a does not run: the system ended before it did; the next `theater up` starts it again"
    )
    assert headline(account, NOW, "stopped").endswith(": nothing has been decided about it yet")


def test_an_automatic_shutdown_and_an_aborted_start_have_sentences() -> None:
    job = actor("s/job", "transient", significant=True)
    auto = AutoShutdown.ALL_SIGNIFICANT
    spec = supervisor("s", job, actor("s/b"), restart="transient", auto_shutdown=auto)
    stage = Stage(supervisor("", spec))
    stage.end("s/job")
    shown = headline(last(stage, "s/b"), NOW, "stopped 2s")
    assert shown == (
        "s/b does not run (stopped 2s): its supervisor s went down, because s/job had ended"
    )
    stage.broken = {"s/b"}
    stage.do(policy.Shutdown())
    stage.up(supervisor("", spec))
    shown = headline(last(stage, "s/job"), NOW, "")
    assert shown == "s/job does not run: the root supervisor did not come up"


def test_another_day_has_a_date() -> None:
    stage = flat()
    shown = headline(last(stage, "a"), NOW + 3 * 86400, "")
    assert re.match(r"a was started on \d{4}-\d\d-\d\d at \d\d:", shown)


def test_on_a_terminal_no_line_is_wider_than_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stage = Stage(supervisor("", *(actor("a" * 20 + str(n)) for n in range(9)), strategy=ALL))
    stage.crash("a" * 20 + "3")
    told = tell(last(stage, "a" * 20 + "3"), Log(), Stream(Screen()), NOW, {}, "")
    assert any("\x1b[31m" in line for line in told), "bad news are red"
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in told]
    assert all(len(line) <= 80 for line in bare)
    assert "and 4 more" in " ".join(" ".join(bare).split())


def test_nothing_that_the_log_holds_reaches_a_terminal_raw() -> None:
    stage = flat()
    stage.log.write("a\x1b", "started")
    reason = "\x1b]0;x\x07\n\u202e"
    stage.log.write("a\x1b", "turn-failed", turn=1, reason=reason, evidence=None)
    stage.log.write("a\x1b", "exited", kind="crash", reason=f"other {reason}")
    stage.log.write(
        "a\x1b", "decided", decision="not-restarted", restart=reason, exit="crash", incarnation=1
    )
    (account,) = accounts(stage.log, "a\x1b", 1, False)
    text = "".join(lines(account, "stopped"))
    assert not set("\x1b\x07\n\u202e") & set(text)
    assert "\\x1b]0;x\\x07" in text


def test_json_has_the_reason_and_every_step() -> None:
    stage = flat()
    stage.crash("a")
    shown = json.loads(json.dumps(account_json(last(stage, "a"))))
    assert (shown["why"], shown["started"], shown["incarnation"]) == ("died", True, 2)
    assert [step["type"] for step in shown["steps"]] == (
        ["turn-failed", "exited", "decided", "started"]
    )
    assert shown["steps"][2]["payload"]["left"] == 2
    assert {"seq", "time", "actor", "incarnation"} <= set(shown["steps"][0])
