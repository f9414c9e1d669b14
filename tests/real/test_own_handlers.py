"""Handlers that authors have written: in real systems, imported by the worker alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import COMPONENTS, Theater, actor
from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater.client import System
from theater.errors import ManifestError, TheaterError
from theater.supervisor.prepare import prepare_system

OUTSIDE = Path(__file__).parent / "outside.py"


def granted(type: str, settings: str, more: str = "", limits: str = "") -> str:
    return (
        f'[[child]]\nname = "a"\ncomponent = "{COMPONENTS / "outside.wat"}"\n{limits}'
        f'[[child.handler]]\ntype = "message-server"\n'
        f'[[child.handler]]\ntype = "{type}"\n{settings}\n{more}'
    )


@pytest.fixture
def up(theater: Theater, tmp_path: Path) -> Callable[..., System]:
    """Starts a system with an actor `a`, which is granted the handler of `outside.py`."""
    theater.replays = True
    shutil.copy(OUTSIDE, tmp_path)

    def start(more: str = "", limits: str = "") -> System:
        path = f'path = "{tmp_path / "done"}"'
        return theater.up(granted("outside.py:Outside", path, more, limits))

    return start


def state(system: System, expected: bytes) -> None:
    eventually(lambda: system.log.state("a") == expected, f"the state {expected!r}")


def failures(system: System) -> list[str]:
    return [letter.reason for letter in system.dead_letters("a")]


def test_what_a_method_raises_is_the_answer(up: Callable[..., System], tmp_path: Path) -> None:
    system = up(more='greeting = "hi, "')
    for name in ("post", "put", "look"):
        system.send("a", f"{name} fine".encode())
        eventually(lambda: b"fine" in (system.log.state("a") or b""), "an answer")
        assert (system.log.state("a") or b"").startswith(f"hi, {name} fine".encode())
        system.send("a", f"{name} nonsense".encode())
        state(system, b"failed: nonsense")
        system.send("a", f"{name} raise".encode())
        state(system, b"failed: KeyError: 'no such thing'")
        system.send("a", f"{name} exit".encode())
        state(system, b"failed: SystemExit: 3")
    log = (tmp_path / ".theater" / "internal.log").read_text()
    assert "outside.py" in log and "KeyError: 'no such thing'" in log
    assert system.actor("a")["incarnation"] == 1


def test_one_that_cannot_answer_an_error_ends_its_turn(up: Callable[..., System]) -> None:
    system = up()
    system.send("a", b"bare fine")
    state(system, b"bare fine (1)")
    system.send("a", b"bare raise")
    eventually(lambda: failures(system), "a dead letter")
    [reason] = failures(system)
    assert "test:outside/post.bare: failed: KeyError: 'no such thing'" in reason
    system.send("a", b"bare again")
    eventually(lambda: system.log.state("a") == b"bare again (1)", "the next turn")


def test_one_that_is_late_is_not_waited_for(up: Callable[..., System]) -> None:
    system = up()
    system.send("a", b"look hang")
    state(system, b"timeout: no answer within 2 s")
    system.send("a", b"post hang")
    state(system, b"timeout: no answer within 2 s; its outcome is unknown")
    system.send("a", b"post fine")
    state(system, b"post fine (1)")  # of an object that is made anew
    assert system.actor("a")["incarnation"] == 1


def test_what_is_never_answered_is_ended_with_its_turn(up: Callable[..., System]) -> None:
    """The backstop of a call that takes longer than its turn may."""
    limits = "[child.limits]\nturn_timeout = 0.5\nmax_deliveries = 1\n"
    system = up(limits=limits)
    system.send("a", b"look hang")
    eventually(lambda: failures(system), "a dead letter")
    system.send("a", b"look fine")
    state(system, b"look fine (1)")


def test_its_chain_says_what_was_granted(up: Callable[..., System]) -> None:
    system = up()
    created = next(row for row in system.log.events(actors=["a"]))
    facts = created.event.payload["grants"]["outside.py:Outside"]
    assert facts["interface"] == "test:outside/post"
    assert facts["functions"]["put"] == ["func(text: string) -> result<string, string>", "again"]
    assert len(facts["sha256"]) == 64 and facts["settings"]["path"].endswith("/done")


def test_it_is_replayed_when_there_is_nothing_left_of_it(
    up: Callable[..., System], theater: Theater, tmp_path: Path
) -> None:
    system = up()
    for name in (b"post", b"put", b"look", b"bare"):
        system.send("a", name + b" one")
    state(system, b"bare one (4)")
    system.send("a", b"bare raise")
    eventually(lambda: failures(system), "a dead letter")
    system.close()
    (tmp_path / "outside.py").unlink()
    endings = replayed(theater.data)
    assert endings.total() >= 6


def test_a_component_that_imports_what_is_not_granted_is_refused(
    theater: Theater, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match="imports test:outside/post, which nobody provides"):
        theater.up(actor("a", "outside.wat"))


OWN = """\
from theater.handler import Result, read
class Own:
    interface = "test:outside/post"
    number: int
    def __init__(self):
        {made}
    @read
    def look(self, text: str) -> Result[str]:
        return f"{{text}} {{self.number}}"
    @read
    def post(self, text: str) -> Result[str]:
        return text
    @read
    def put(self, text: str) -> Result[str]:
        return text
    @read
    def bare(self, text: str) -> str:
        return text
"""


@pytest.mark.parametrize(
    ("type", "settings", "messages"),
    [
        ("own.py:Own", "", ['child[0].handler[1].number: missing: "own.py:Own" grants nothing']),
        (
            "own.py:Own",
            'number = "3"\nnubmer = 3',
            [
                'child[0].handler[1].number: found "3"; must be a whole number',
                'child[0].handler[1].nubmer: unknown setting of "own.py:Own"; did you mean',
            ],
        ),
        ("own.py:Onw", "", ["child[0].handler[1].type: own.py has no class Onw; it has Own"]),
        ("nowhere.py:Own", "", ["child[0].handler[1].type: there is no file "]),
        ("own.py:", "", ["child[0].handler[1].type: found", "is named by its class"]),
        ("nwo", "", ['no handler is called "nwo"; available: message-server, runtime']),
        ("broken.py:Own", "", ["broken.py cannot be imported: ZeroDivisionError"]),
        ("deadly.py:Own", "", ["deadly.py:Own cannot be imported", "SIGKILL"]),
        ("other.py:Own", "", ["imports bare of test:outside/post", "another type"]),
    ],
)
def test_what_is_wrong_with_one_is_told_before_anything_starts(
    tmp_path: Path, type: str, settings: str, messages: list[str]
) -> None:
    (tmp_path / "own.py").write_text(OWN.format(made="pass"))
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "deadly.py").write_text("import os\nprint('noise')\nos.kill(os.getpid(), 9)")
    other = OWN.replace("    number: int\n", "").replace(
        "def bare(self, text: str)", "def bare(self)"
    )
    (tmp_path / "other.py").write_text(other.format(made="pass"))
    manifest = tmp_path / "theater.toml"
    manifest.write_text('name = "t"\n' + granted(type, settings))
    with pytest.raises(ManifestError) as caught:
        prepare_system(manifest, str(tmp_path / "d"), lambda _text: None)
    for message in messages:
        assert message in str(caught.value)


def test_one_that_cannot_be_made_is_a_failed_start(theater: Theater, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(made="raise ValueError('no key is set')"))
    with pytest.raises(TheaterError) as caught:
        theater.up(granted("own.py:Own", "number = 3"))
    assert "own.py:Own cannot be made: ValueError: no key is set" in str(caught.value)


def test_one_that_has_been_changed_is_taken_by_a_reload_alone(
    theater: Theater, tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(OWN.format(made="pass"))
    system = theater.up(granted("own.py:Own", "number = 3"))
    system.send("a", b"look")
    state(system, b"look 3")
    # Other code, the same functions: the next incarnation has it.
    own.write_text(OWN.format(made="self.number += 1"))
    system.restart("a")
    system.send("a", b"look")
    state(system, b"look 4")
    # Other functions: they would not be what was granted.
    own.write_text(OWN.format(made="self.number += 2").replace("@read\n    def look", "def look"))
    with pytest.raises(TheaterError):
        system.restart("a")
    rows: list[dict[str, Any]] = [system.actor("a")]
    assert "is not what it was when the system read it: look was" in rows[0]["reason"]
    system.reload()
    system.start_child("a")
    system.send("a", b"look")
    state(system, b"look 5")
    assert system.log.query("SELECT kind FROM asks") == [("look",)]
