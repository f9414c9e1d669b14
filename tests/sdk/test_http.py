"""Requests by HTTP as an actor in Python makes them: in a unit test, and as a component that is
built from source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from theater_actor import Actor, Message, NotDone, http, send
from theater_actor.http import Request, Response

from tests.project.projects import project
from tests.real.conftest import Theater
from tests.real.conftest import theater as theater
from tests.replay.replayed import replayed
from tests.web import say, serving
from theater.project.job import Job
from theater.project.languages import world
from theater.project.languages.python import Python
from theater.testing import InProcess

SOURCE = """
from theater_actor import Actor, NotDone, http


class Fetcher(Actor):
    def on_request(self, message, request):
        what = message.json()
        try:
            found = http.request(**what)
        except NotDone as error:
            return {"kind": error.kind, "error": str(error)}
        return {"status": found.status, "seen": found.header("X-Seen"), "text": found.text}
"""


class Fetcher(Actor):
    def on_message(self, message: Message) -> None:
        send("before", "x")
        send("after", http.post("https://a.example", json={"a": 1}, headers={"x": "1"}).text)

    def on_request(self, message: Message, request: str) -> str:
        return http.get(message.text).header("X-A") or "none"


def test_a_unit_test_answers_for_the_web() -> None:
    def web(request: Request) -> Response:
        return Response(200, (("x-a", request.url),), b"done")

    fetcher = InProcess(Fetcher, web=web)
    fetcher.message("go")
    headers = (("x", "1"), ("content-type", "application/json"))
    posted = Request("POST", "https://a.example", headers, b'{"a": 1}')
    assert fetcher.fetched == [posted]
    assert fetcher.sent == [("before", b"x"), ("after", b"done")]
    assert fetcher.request("https://b.example") == b"https://b.example"


def test_without_a_web_it_is_denied_and_what_came_before_a_request_stays() -> None:
    with pytest.raises(NotDone) as caught:
        InProcess(Fetcher).request("https://b.example")
    assert caught.value.kind == "http-request-denied"

    def fail(_request: Request) -> Response:
        raise NotDone("connection-refused")

    fetcher = InProcess(Fetcher, web=fail)
    with pytest.raises(NotDone, match="connection-refused"):
        fetcher.message("go")
    assert fetcher.sent == [("before", b"x")]


def test_a_request_has_one_body() -> None:
    with pytest.raises(TypeError, match="one body"):
        http.post("https://a.example", "x", json=1)


def test_only_who_imports_it_is_built_against_it(tmp_path: Path) -> None:
    def wit(text: str) -> set[str]:
        source = tmp_path / "a.py"
        source.write_text(f"{text}\nfrom theater_actor import Actor\nclass A(Actor): ...\n")
        return {name for name in Python(Job(str(source), "")).inputs if name.startswith("wit:")}

    ours = wit("")
    of_http = {f"wit:{path.name}" for path in world.of_http()}
    assert len(of_http) == 3
    for text in ("from theater_actor import http", "import theater_actor.http as web"):
        assert wit(text) - ours == of_http


def test_a_component_built_from_source_sends_requests(theater: Theater) -> None:
    directory = project("http-python", fetcher_py=SOURCE)
    with serving() as web:
        rule = f'host = "127.0.0.1", port = {web.port}, scheme = "http"'
        rule += ', methods = ["GET", "POST", "PURGE"]'
        system = theater.up(
            f'[[child]]\nname = "a"\nbuild = "{directory / "fetcher.py"}"\n'
            'handler = [{ type = "runtime" }, { type = "message-server" },'
            f' {{ type = "wasi:http", allow = [{{ {rule} }}] }}]\n'
        )

        def ask(**what: Any) -> Any:
            return json.loads(system.request("a", json.dumps(what).encode(), timeout_s=30))

        assert ask(method="GET", url=f"{web.url}/a?b")["text"] == "GET /a?b HTTP/1.1"
        assert ask(method="POST", url=web.url, body="x" * 100_000)["text"] == "x" * 100_000
        assert ask(method="POST", url=web.url, json=[1])["text"] == "[1]"
        assert b"content-type: application/json\r\n" in web.requests[-1]
        assert ask(method="PURGE", url=f"{web.url}/x")["text"] == "PURGE /x HTTP/1.1"
        web.answer = say(b"HTTP/1.1 404 No\r\nX-Seen: y\r\n\r\nnot here")
        found = {"status": 404, "seen": "y", "text": "not here"}
        assert ask(method="GET", url=web.url) == found
        assert ask(method="PUT", url=web.url)["kind"] == "http-request-denied"
        assert ask(method="GET", url="https://a.example")["kind"] == "http-request-denied"
        assert ask(method="GET", url="nonsense")["kind"] == "refused"
        bad = ask(method="GET", url=web.url, headers={"Host": "b"})
        assert bad["kind"] == "forbidden"
        web.answer = say(b"nonsense")
        assert ask(method="GET", url=web.url)["error"].startswith("http-response-incomplete")
    assert ask(method="GET", url=web.url)["error"] == "connection-refused"
    system.close()
    replayed(theater.data)
