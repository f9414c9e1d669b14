"""Actors that send requests by HTTP: what is recorded, what a crash means, what is denied."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import python_actor
from tests.real.conftest import Theater, actor, assert_whole, gone, processes
from tests.replay.replayed import replayed
from tests.slices import sliced
from tests.waiting import eventually
from tests.web import Web, say, self_made
from theater import crashpoints
from theater.client import System
from theater.crashpoints import VARIABLE, Shot
from theater.errors import NotDelivered
from theater.worker.wasi.exchange import PIECE

POINT = "worker.world-call"
DONE = "worker.world-done"
HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"
INTERRUPTED = "error: InternalError(interrupted: outcome unknown)"
METHODS = 'methods = ["GET", "HEAD", "POST", "PUT"]'


def python(name: str, *rules: str, extra: str = "") -> str:
    """An actor with these rules in `allow`; `extra`: more settings, then keys of the actor."""
    table = f'[[child.handler]]\ntype = "wasi:http"\nallow = [{", ".join(rules)}]\n{extra}\n'
    return actor(name, str(python_actor.component())) + (table if rules else "")


class Stage:
    """A system and, outside of it, a server."""

    def __init__(self, theater: Theater, crash: Path) -> None:
        self.theater = theater
        self.web = Web()
        self._crash = crash
        crash.mkdir()

    def rule(self, more: str = METHODS, scheme: str = "http") -> str:
        place = f'host = "127.0.0.1", port = {self.web.port}, scheme = "{scheme}"'
        return f"{{ {place}, {more} }}"

    def up(self, *actors: str) -> System:
        os.environ[VARIABLE] = str(self._crash)
        try:
            self.system = self.theater.up(*actors, head=HEAD)
        finally:
            del os.environ[VARIABLE]
        return self.system

    def run(self, code: str, name: str = "a") -> str:
        return self.system.request(name, f"web {code}".encode(), timeout_s=60).decode()

    def fetch(self, method: str, path: str = "/", body: bytes | None = None) -> str:
        return self.run(f"answer = fetch({method!r}, {self.web.url + path!r}, {body!r})")

    def arm(self, point: str, times: int, *pids: int) -> None:
        crashpoints.arm(str(self._crash), point, Shot(times, pids=pids or (crashpoints.ITSELF,)))

    def fired(self, point: str) -> bool:
        return not crashpoints.is_armed(str(self._crash), point)

    def disarm(self, point: str) -> None:
        crashpoints.disarm(str(self._crash), point)

    def types(self) -> list[tuple[str, str]]:
        """(type, function) of what crossed in the last turn."""
        events = [row.event for row in self.system.log.events(actors=["a"]) if row.event.turn]
        last = events[-1].turn
        return [
            (each.type, each.function.rpartition(".")[2]) for each in events if each.turn == last
        ]


@pytest.fixture
def stage(theater: Theater, tmp_path: Path) -> Iterator[Stage]:
    """What happens on it has to be whole in the log and to replay, when nobody answers any more."""
    stage = Stage(theater, tmp_path / "crash")
    yield stage
    theater.note(stage.system)
    stage.system.close()
    stage.web.close()
    asked = len(stage.web.requests)
    assert_whole(theater.data)
    replayed(theater.data)
    assert len(stage.web.requests) == asked


def test_what_is_sent_is_committed_first_and_what_comes_back_is_recorded(stage: Stage) -> None:
    system = stage.up(python("a", stage.rule()))
    assert stage.fetch("GET", "/x?y=z") == "(200, b'GET /x?y=z HTTP/1.1')"
    types = stage.types()
    at = types.index(("host-answer", "get"))
    assert types[at - 1] == ("host-call", "get")
    assert types.count(("host-answer", "get")) == 1
    assert stage.fetch("POST", "/", b"a body") == "(200, b'a body')"
    rows = system.log.query("SELECT kind, status FROM asks")
    assert rows == [("[method]future-incoming-response.get", "answered")] * 2
    assert [request.split()[0] for request in stage.web.requests] == [b"GET", b"POST"]


def test_large_bodies_go_both_ways_and_what_comes_back_is_stored_once(stage: Stage) -> None:
    system = stage.up(python("a", stage.rule()))
    code = f"body = bytes(range(256)) * 2000\nfound = fetch('POST', {stage.web.url!r}, body)[1]"
    assert stage.run(f"{code}\nanswer = found == body") == "True"
    content = random.Random(1).randbytes(100 * PIECE)
    stage.web.answer = say(b"HTTP/1.1 200 OK\r\n\r\n" + content)
    before = stored(system)
    assert stage.run(f"answer = len(fetch('GET', {stage.web.url!r})[1])") == str(len(content))
    assert stored(system) - before == len(content)


def stored(system: System) -> int:
    """Bytes of contents, but for states."""
    ((size,),) = system.log.query("SELECT sum(length(bytes)) FROM blobs")
    return int(size)


def test_many_at_once_are_made_one_after_the_other(stage: Stage) -> None:
    stage.up(python("a", stage.rule()))
    fetches = ", ".join(f"fetched('GET', '{stage.web.url}/{n}')" for n in range(5))
    answers = stage.run(f"answer = [body for _, body in loop(all_of({fetches}))]")
    assert answers == str([b"GET /%d HTTP/1.1" % n for n in range(5)])
    assert len(stage.web.requests) == 5


def test_what_is_not_granted_is_denied_and_nobody_hears_of_it(stage: Stage) -> None:
    system = stage.up(python("a", stage.rule('methods = ["GET"]')), python("b"))
    denied = "error: HttpRequestDenied"
    assert stage.fetch("POST", "/", b"x") == denied
    assert stage.run(f"fetch('GET', 'http://localhost:{stage.web.port}/')") == denied
    assert stage.run("fetch('GET', 'http://127.0.0.1:1/')") == denied
    assert stage.run(f"fetch('GET', 'https://127.0.0.1:{stage.web.port}/')") == denied
    assert stage.run(f"fetch('GET', '{stage.web.url}/')", "b") == denied
    assert stage.web.requests == []
    assert system.log.query("SELECT count(*) FROM asks") == [(0,)]


def test_what_is_too_large_or_too_late_is_an_error(stage: Stage) -> None:
    limits = "max_request = 1000\nmax_response = 2000\ntimeout = 0.5"
    stage.up(python("a", stage.rule(), extra=limits))
    assert stage.fetch("POST", "/", b"x" * 1001).startswith("error: LastOperationFailed")
    stage.web.answer = say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2001)
    assert stage.fetch("GET") == "error: HttpResponseBodySize(2001)"
    stage.web.answer = lambda _request, _connection: stage.web.wait()
    assert stage.fetch("GET") == "error: HttpResponseTimeout"
    stage.web.close()
    assert stage.fetch("GET") == "error: ConnectionRefused"


def test_a_request_ends_before_its_turn_is_late(stage: Stage) -> None:
    limits = "\n[child.limits]\nturn_timeout = 2\n"
    system = stage.up(python("a", stage.rule(), extra=limits))
    stage.web.answer = lambda _request, _connection: stage.web.wait()
    assert stage.fetch("GET") == "error: HttpResponseTimeout"
    assert system.actor("a")["incarnation"] == 1


def test_a_certificate_nobody_signed_is_refused_unless_it_is_named(
    stage: Stage, tmp_path: Path
) -> None:
    file, context = self_made(tmp_path)
    stage.web.close()
    stage.web = Web(context=context)
    named = stage.rule(f'ca = "{file}"', "https")
    stage.up(python("a", stage.rule(METHODS, "https")), python("b", named))
    code = f"answer = fetch('GET', '{stage.web.url}/')"
    assert stage.run(code) == "error: TlsCertificateError"
    assert stage.web.requests == []
    assert stage.run(code, "b") == "(200, b'GET / HTTP/1.1')"


@pytest.mark.parametrize("point", [POINT, DONE])
def test_an_interrupted_get_is_sent_again(stage: Stage, point: str) -> None:
    stage.up(python("a", stage.rule()))
    stage.arm(point, 1)
    assert stage.fetch("GET", "/x") == "(200, b'GET /x HTTP/1.1')"
    assert stage.fired(point)
    assert len(stage.web.requests) == (2 if point == DONE else 1)
    types = stage.types()
    assert types.count(("host-answer", "get")) == 1
    assert ("carried-on", "handle-request") in types


@pytest.mark.parametrize("point", [POINT, DONE])
def test_an_interrupted_post_is_not_and_the_guest_is_told(stage: Stage, point: str) -> None:
    stage.up(python("a", stage.rule()))
    stage.arm(point, 1)
    assert stage.fetch("POST", "/", b"x") == INTERRUPTED
    assert stage.fired(point)
    assert len(stage.web.requests) == (1 if point == DONE else 0)
    assert stage.fetch("POST", "/", b"y") == "(200, b'y')", "and life goes on"


@pytest.mark.parametrize("point", sliced([POINT, DONE], DONE))
def test_a_post_that_the_manifest_says_so_of_is_sent_again(stage: Stage, point: str) -> None:
    stage.up(python("a", stage.rule(), extra='interrupted = { POST = "again" }'))
    stage.arm(point, 1)
    assert stage.fetch("POST", "/", b"x" * 5000) == f"(200, {b'x' * 5000!r})"
    assert stage.fired(point)
    bodies = [request.partition(b"\r\n\r\n")[2] for request in stage.web.requests]
    assert bodies == [b"x" * 5000] * (2 if point == DONE else 1)


def test_responses_outlive_the_worker_that_has_received_them(stage: Stage) -> None:
    """Three at once; the worker dies at the last one, when the others are not read."""
    stage.up(python("a", stage.rule()))
    stage.arm(DONE, 3)
    fetches = ", ".join(f"send(request_of('GET', '{stage.web.url}/{n}'))" for n in range(3))
    code = f"""
responses = loop(all_of({fetches}))
answer = [loop(read(response)) for response in responses]
"""
    assert stage.run(code) == str([b"GET /%d HTTP/1.1" % n for n in range(3)])
    assert stage.fired(DONE)
    assert [request.split()[1] for request in stage.web.requests] == [b"/0", b"/1", b"/2", b"/2"]


def test_a_response_is_read_before_and_after_an_ask(stage: Stage) -> None:
    """And the worker dies at that."""
    stage.up(python("a", stage.rule()), actor("b"))
    stage.web.answer = say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 20_000 + b"end")
    stage.arm("worker.answered", 1)
    code = f"""
stream = loop(send(request_of('GET', '{stage.web.url}/'))).consume().stream()
first = stream.read(5)
said = ask('b', b'echo yes')
rest = b''
while True:
    try:
        rest += stream.read(100000)
    except Err:
        break
answer = first, said, len(rest), rest[-3:]
"""
    assert stage.run(code) == "(b'xxxxx', b'yes', 19998, b'end')"
    assert stage.fired("worker.answered")
    assert len(stage.web.requests) == 1


@pytest.mark.parametrize("point", sliced([POINT, DONE], POINT))
def test_the_broker_dies_during_a_request_which_goes_on(stage: Stage, point: str) -> None:
    system = stage.up(python("a", stage.rule()))
    stage.arm(point, 1, system.info()["helpers"]["broker"])
    assert stage.fetch("POST", "/", b"x") == "(200, b'x')"
    assert stage.fired(point)
    assert len(stage.web.requests) == 1
    assert system.actor("a")["incarnation"] == 1


@pytest.mark.parametrize("point", [POINT, DONE])
def test_everything_dies_during_a_request_and_the_next_run_tells(stage: Stage, point: str) -> None:
    system = stage.up(python("a", stage.rule()))
    everybody = processes(system)
    stage.arm(point, 1, system.info()["pid"], crashpoints.ITSELF)
    system.send("a", f"web answer = fetch('POST', '{stage.web.url}/', b'x')".encode())
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()
    system = stage.up(python("a", stage.rule()))
    eventually(lambda: system.log.state("a") == INTERRUPTED.encode(), "the guest to be told")
    assert len(stage.web.requests) == (1 if point == DONE else 0)


WORKER_POINTS = (POINT, DONE, "worker.step-sent", "worker.asked", "worker.step-acknowledged")


def test_whoever_dies_whenever_nothing_is_sent_twice(stage: Stage) -> None:
    """And what the guest was told to have been answered has arrived; what may be sent again is."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    stage.up(python("a", stage.rule()))
    told = []
    for number in range(20):
        point = dice.choice(WORKER_POINTS)
        if dice.random() < 0.7:
            stage.arm(point, dice.randint(1, 3))
        posted = f"fetched('POST', '{stage.web.url}/', b'{number}')"
        got = f"fetched('GET', '{stage.web.url}/{number}')"
        code = f"""
try:
    first = loop({posted})[1]
except Err:
    first = None
answer = first, loop({got})[1]
"""
        told.append(stage.run(code))
        stage.disarm(point)
    bodies = [request.partition(b"\r\n\r\n")[2].decode() for request in stage.web.requests]
    arrived = [body for body in bodies if body]
    assert len(arrived) == len(set(arrived)), f"twice: {arrived}"
    assert arrived == sorted(arrived, key=int)
    for number, answer in enumerate(told):
        first, _, second = answer.partition(", ")
        assert second == f"b'GET /{number} HTTP/1.1')"
        assert first in (f"(b'{number}'", "(None")
        assert str(number) in arrived or first == "(None", "it was answered and has not arrived"
    assert len([answer for answer in told if "None" not in answer]) > 5


def test_one_that_would_send_something_else_is_set_aside_and_does_not(stage: Stage) -> None:
    """A fresh instance lacks what the older one had in its memory, and takes another way."""
    stage.up(python("a", stage.rule()))
    stage.run("import sys; sys.warm = True")
    stage.arm(DONE, 1)
    with pytest.raises(NotDelivered, match=r"failed: a: diverged: event .* was .*get"):
        path = "('/warm' if hasattr(sys, 'warm') else '/cold')"
        stage.run(f"import sys; fetch('GET', '{stage.web.url}' + {path})")
    assert len(stage.web.requests) == 1
