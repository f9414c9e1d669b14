"""The page about handlers of one's own does what it says: its class, manifest, actor and test."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cli.conftest import ROOT
from tests.project.projects import HERE
from tests.real.conftest import Theater
from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater.client import System

PAGE = (ROOT / "docs" / "handlers.md").read_text()
NAMED = re.compile(r"^```(?:python|toml)\n# ([\w.]+)\n(.*?)^```$", re.S | re.M)
FILES = dict(NAMED.findall(PAGE))
URL = "http://127.0.0.1:11434"


class Model:
    """A language model: it says everything twice, and knows whom it has told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []  # (prompt, key)
        self.paused = threading.Event()
        model = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = body["messages"][0]["content"]
                model.asked.append((prompt, self.headers["Idempotency-Key"]))
                if prompt == "think":
                    model.paused.wait()
                choice = {"message": {"content": f"{body['model']}: {prompt} {prompt}"}}
                text = json.dumps({"choices": [choice]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.paused.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    yield model
    model.close()


@pytest.fixture
def bot(theater: Theater, model: Model) -> System:
    """The system of the page. What is built lies where it is not built again by the next run."""
    directory = HERE / "bot"
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("handlers.py", "bot.py", "theater.toml"):
        text = FILES[name].replace(URL, model.url)
        path = directory / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    system = System.start(directory / "theater.toml", str(theater.data))
    theater.take(system)
    return system


def test_the_page_has_all_of_it() -> None:
    assert {*FILES} == {"handlers.py", "theater.toml", "bot.py", "test_bot.py"}
    body = FILES["handlers.py"].partition("class LLM:")[2].strip().splitlines()
    code = [line for line in body if line.strip() and '"""' not in line]
    assert len(code) == 10


def test_the_model_is_asked_once_and_never_again(
    bot: System, model: Model, theater: Theater
) -> None:
    assert bot.request("bot", b"hello", timeout_s=60) == b"llama3: hello hello"
    assert model.asked == [("hello", "bot:2:1")]

    # Killed while the model thinks: the next incarnation asks under the same key.
    answers: list[bytes] = []
    asker = threading.Thread(
        target=lambda: answers.append(bot.request("bot", b"think", timeout_s=60))
    )
    asker.start()
    eventually(lambda: len(model.asked) == 2, "the question")
    os.kill(bot.actor("bot")["pid"], signal.SIGKILL)
    eventually(lambda: len(model.asked) == 3, "the same question")
    assert model.asked[1] == model.asked[2] and model.asked[1][0] == "think"
    model.paused.set()
    asker.join()
    assert answers == [b"llama3: think think"]

    # It is gone, and the actor lives with that.
    model.close()
    assert bot.request("bot", b"hello", timeout_s=60) == b"ask me again later"
    [line] = bot.lines("bot")
    assert line.startswith("no answer to question 3: failed: URLError: ")
    assert bot.log.state("bot") == b"3"

    # And so does a replay, without the class and without a network.
    bot.close()
    (HERE / "bot" / "handlers.py").unlink()
    assert replayed(theater.data).total() >= 4


def test_the_test_of_the_page_passes(tmp_path: Any) -> None:
    for name in ("bot.py", "test_bot.py", "handlers.py"):
        (tmp_path / name).write_text(FILES[name])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'theater' / 'sdk'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
