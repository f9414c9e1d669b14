"""Stores with real processes: what a crash at each instant of a write leaves, who may see what."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import Theater, actor, assert_whole, gone, processes
from tests.replay.replayed import replayed
from tests.slices import sliced
from tests.waiting import eventually
from theater import crashpoints
from theater.client import System
from theater.crashpoints import VARIABLE, Shot
from theater.stores import UNFINISHED, directory_of, hash_of

HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"
# In the order in which a content and its step meet them.
WRITE_POINTS = (
    *(f"worker.content-{each}" for each in ("written", "synced", "named", "kept")),
    *("worker.step-made", "worker.step-sent"),
)
COMMIT_POINTS = ("broker.before-commit", "broker.in-commit", "broker.after-commit")
LONG = b"x" * 5000


def keeper(name: str, shared: str = '"s"', read_only: str = "") -> str:
    settings = f"shared = [{shared}]\nread_only = [{read_only}]\n"
    table = f'[[child.handler]]\ntype = "store"\n{settings}'
    return actor(name, "shelf.wat", handlers=False, extra=table)


class Stage:
    def __init__(self, theater: Theater, crash: Path) -> None:
        self.theater = theater
        self._crash = crash
        crash.mkdir()

    def up(self, *actors: str, durability: str = "process") -> System:
        if actors:
            manifest = self.theater.write(*actors, head=HEAD)
            text = manifest.read_text().replace('"process"', f'"{durability}"')
            manifest.write_text(text)
        os.environ[VARIABLE] = str(self._crash)
        try:
            self.system = self.theater.up()
        finally:
            del os.environ[VARIABLE]
        return self.system

    def ask(self, script: str, name: str = "a") -> list[str]:
        answer = self.system.request(name, script.encode(), timeout_s=30)
        return answer.decode().removesuffix("\n").split("\n")

    def arm(self, point: str, times: int = 1, *pids: int) -> None:
        shot = Shot(times, pids=pids or (crashpoints.ITSELF,))
        crashpoints.arm(str(self._crash), point, shot)

    def disarm(self, point: str) -> int:
        return crashpoints.disarm(str(self._crash), point)

    def file(self, content: bytes, store: str = "s") -> Path:
        return Path(self.system.data.store) / directory_of(store) / hash_of(content)

    def unfinished(self) -> list[str]:
        return os.listdir(Path(self.system.data.store) / UNFINISHED)

    def contents(self) -> set[str]:
        return {hash.hex() for (hash,) in self.system.log.query("SELECT hash FROM contents")}

    def assert_sound(self) -> None:
        """Each content that the log names has its file; `fsck` looks at all the rest."""
        for hash in self.contents():
            path = self.file(b"").with_name(hash)
            assert hash_of(path.read_bytes()) == hash


@pytest.fixture
def stage(theater: Theater, tmp_path: Path) -> Iterator[Stage]:
    yield Stage(theater, tmp_path / "crash")


def test_every_function_does_what_it_says(stage: Stage) -> None:
    stage.up(keeper("a"))
    x, y = hash_of(b"x"), hash_of(b"yy")
    assert stage.ask("new") == ["a:2:1"]
    assert stage.ask(f"put x\nlabel l {x}\nat l\nget {x}\nhas {x}\nhas {y}") == [
        *(x, "", x, "x"),
        *("yes", "no"),
    ]
    assert stage.ask(f"put-at m yy\nreplace-at l yy\nat l\nmove m {x}\nat m") == [y, y, y, "", x]
    assert stage.ask("labels\nall\nsize") == ["l m ", " ".join(sorted((x, y))) + " ", "3"]
    assert stage.ask(f"drop l {x}\nat l\ndrop l {y}\nat l\nunlabel m\nunlabel m\nlabels") == [
        *("", y, "", ""),
        *("", "", ""),
    ]
    assert stage.ask("fill 5000\nsize") == [hash_of(LONG), "5003"]
    assert stage.ask(f"get {hash_of(LONG)}") == [LONG.decode()]
    rows = stage.system.log.query("SELECT store, size FROM contents ORDER BY size")
    assert rows == [("a:2:1", 1), ("a:2:1", 2), ("a:2:1", 5000)]


def test_two_actors_share_a_store_and_the_last_commit_wins(stage: Stage) -> None:
    stage.up(keeper("a"), keeper("b"), keeper("c", "", '"s"'), keeper("d", '"t"'))
    for name in "abcd":
        stage.ask("use s", name)
    x = hash_of(b"from a")
    stage.ask("put-at l from a")
    assert stage.ask(f"at l\nget {x}\nlabels\nsize", "b") == [x, "from a", "l ", "6"]
    stage.ask("put-at l from b", "b")
    assert stage.ask("at l") == stage.ask("at l", "c") == [hash_of(b"from b")]
    # Read-only, and not at all.
    assert stage.ask(f"get {x}\nall", "c")[0] == "from a"
    refusal = 'err: refused: the manifest of c grants store "s" read-only'
    script = f"put x\nput-at l x\nlabel l {x}\nunlabel l\ndrop l {x}\nmove l {x}\nreplace-at l x"
    assert stage.ask(script, "c") == [refusal] * 7
    refusal = 'err: refused: the manifest of d does not grant store "s"'
    assert stage.ask(f"get {x}\nhas {x}\nat l\nlabels\nall\nsize\nput x", "d") == [refusal] * 7
    # A hash of another store gives nothing.
    assert stage.ask(f"use t\nhas {x}\nget {x}\nlabel l {x}", "d")[1:] == [
        "no",
        *[f'err: no-content: store "t" has no content {x}'] * 2,
    ]
    assert stage.ask("at l") == [hash_of(b"from b")]


def test_own_stores_are_nobody_elses(stage: Stage) -> None:
    stage.up(keeper("a"), keeper("b"))
    (own,) = stage.ask("new")
    stage.ask("put-at l secret")
    assert (
        stage.ask(f"use {own}\nat l\nget {hash_of(b'secret')}", "b")[1:]
        == [f'err: refused: the manifest of b does not grant store "{own}"'] * 2
    )


@pytest.mark.parametrize(
    ("point", "durability"),
    sliced(
        itertools.product(WRITE_POINTS, ("process", "disk")),
        *((point, "process") for point in WRITE_POINTS),
        ("worker.content-named", "disk"),
    ),
)
def test_a_worker_that_dies_in_a_write_does_it_again(
    stage: Stage, point: str, durability: str
) -> None:
    stage.up(keeper("a"), durability=durability)
    stage.ask("use s\nput-at l before")
    stage.arm(point)
    hash = hash_of(LONG)
    assert stage.ask(f"fill 5000\nlabel l {hash}\nat l") == [hash, "", hash]
    assert not stage.disarm(point), "it was not killed"
    assert stage.system.actor("a")["incarnation"] == 2
    assert stage.ask("at l\nsize") == [hash, "5006"]
    stage.assert_sound()
    assert stage.unfinished() == []


@pytest.mark.parametrize(
    ("point", "durability"),
    sliced(
        itertools.product(COMMIT_POINTS, ("process", "disk")),
        *((point, "process") for point in COMMIT_POINTS),
        ("broker.in-commit", "disk"),
    ),
)
def test_a_broker_that_dies_at_the_commit_loses_nothing(
    stage: Stage, point: str, durability: str
) -> None:
    stage.up(keeper("a"), durability=durability)
    stage.ask("use s\nput-at l before")
    stage.arm(point, 2)  # the request is the first one
    hash = hash_of(LONG)
    assert stage.ask(f"fill 5000\nlabel l {hash}\nat l") == [hash, "", hash]
    assert not stage.disarm(point), "it was not killed"
    assert stage.ask("at l\nsize") == [hash, "5006"]
    assert stage.system.actor("a")["incarnation"] == 1
    stage.assert_sound()


@pytest.mark.parametrize(
    "point",
    sliced(
        [*WRITE_POINTS, *COMMIT_POINTS],
        *("worker.content-written", "worker.content-kept", "worker.step-sent"),
        *("broker.in-commit", "broker.after-commit"),
    ),
)
def test_when_all_dies_at_once_the_store_is_whole_and_the_turn_goes_on(
    stage: Stage, point: str
) -> None:
    system = stage.up(keeper("a"))
    stage.ask("use s\nput-at l before")
    everybody = processes(system)
    is_commit = point in COMMIT_POINTS
    stage.arm(point, 2 if is_commit else 1, system.info()["pid"], crashpoints.ITSELF)
    system.send("a", f"fill 5000\nlabel l {hash_of(LONG)}".encode())
    eventually(lambda: gone(everybody), "everything to die with root")
    left = stage.unfinished()
    assert bool(left) == (point in WRITE_POINTS[:2])
    stage.disarm(point)
    stage.assert_sound()
    assert stage.file(LONG).exists() == (point not in WRITE_POINTS[:2])
    system.close()
    stage.up()
    assert stage.ask("at l") == [hash_of(LONG)]
    assert stage.unfinished() == []
    stage.assert_sound()


def test_what_was_never_finished_goes_at_the_next_up(stage: Stage) -> None:
    stage.up(keeper("a"))
    left = Path(stage.system.data.store) / UNFINISHED / directory_of("somebody")
    left.write_bytes(b"half of ")
    stage.ask("use s\nput x")
    stage.system.close()
    stage.up()
    assert not left.exists()
    assert stage.ask("all") == [hash_of(b"x") + " "]


def test_a_content_whose_step_never_committed_is_harmless(stage: Stage) -> None:
    """A turn that fails has written its file, and nobody is told of it."""
    stage.up(keeper("a"))
    stage.ask("use s")
    stage.system.send("a", b"put-at l x\ntrap")
    eventually(lambda: stage.system.dead_letters("a"), "the turn to be set aside")
    stage.system.wait_status("a", "running")
    assert stage.file(b"x").exists()
    assert stage.ask("labels\nall\nsize") == ["", "", "0"]
    assert stage.ask("put x\nall\nsize") == [hash_of(b"x"), hash_of(b"x") + " ", "1"]


def test_a_turn_that_is_carried_on_writes_nothing_twice(stage: Stage) -> None:
    """Its calls are answered from the record, also where the files have gone meanwhile."""
    stage.up(keeper("a"))
    stage.ask("use s")
    stage.arm("worker.answered")
    lost = stage.file(b"x")
    stage.system.send("a", b"put-at l x\nlabels\nput-at m y\nlabels")
    eventually(lambda: stage.system.log.query("SELECT 1 FROM labels WHERE label = 'm'"), "the end")
    assert not stage.disarm("worker.answered")
    before = lost.stat().st_mtime_ns
    assert stage.ask("labels") == ["l m "]
    types = [row.event.type for row in stage.system.log.events(actors=["a"])]
    assert "carried-on" in types
    assert lost.stat().st_mtime_ns == before


def test_a_damaged_or_missing_file_is_an_error_and_not_a_content(stage: Stage) -> None:
    stage.up(keeper("a"))
    hash = hash_of(b"x")
    stage.ask("use s\nput-at l x\nput-at m y")
    stage.file(b"x").write_bytes(b"z")
    assert stage.ask(f"get {hash}\nat l") == [
        f"err: failed: the file of content {hash} is not what its name says",
        hash,
    ]
    stage.file(b"x").unlink()
    assert stage.ask(f"get {hash}\nhas {hash}") == [
        f'err: no-content: store "s" has no content {hash}',
        "no",
    ]
    assert stage.ask(f"put x\nget {hash}") == [hash, "x"], "it is there again"


def test_a_run_is_replayed_without_its_store(stage: Stage) -> None:
    stage.up(keeper("a"))
    hash = hash_of(LONG)
    stage.ask(f"new\nfill 5000\nlabel l {hash}\nat l\nput y\nget {hash}\nall\nsize\nget no")
    stage.system.close()
    kept = stage.theater.directory / "kept"
    shutil.move(stage.system.data.store, kept)
    assert replayed(stage.theater.data)
    shutil.move(kept, stage.system.data.store)


def test_a_store_is_put_away_with_its_log(stage: Stage) -> None:
    stage.up(keeper("a"))
    stage.ask("use s\nput-at l x")
    stage.system.close()
    with System.start(stage.theater.manifest, fresh=True) as anew:
        answer = anew.request("a", f"use s\nlabels\nhas {hash_of(b'x')}\nsize".encode())
        assert answer == b"\n\nno\n0\n"
        assert anew.archive is not None
        archive = Path(anew.archive)
    assert_whole(archive)
    with System.start(stage.theater.manifest, data=str(archive)) as before:
        assert before.request("a", f"at l\nget {hash_of(b'x')}".encode()).endswith(b"\nx\n")


@pytest.mark.parametrize("what", ["store", f"store/{UNFINISHED}"])
def test_a_store_that_is_a_link_is_refused(stage: Stage, what: str) -> None:
    stage.up(keeper("a"))
    stage.system.close()
    place = stage.theater.data / what
    place.rename(stage.theater.directory / "elsewhere")
    place.symlink_to(stage.theater.directory / "elsewhere")
    with pytest.raises(Exception, match="is not a directory"):
        System.start(stage.theater.manifest)
    place.unlink()
    (stage.theater.directory / "elsewhere").rename(place)


def test_what_is_granted_no_more_is_refused_in_the_next_run(stage: Stage) -> None:
    stage.up(keeper("a"))
    stage.ask("use s\nput-at l x")
    stage.system.close()
    stage.up(keeper("a", '"t"', '"s"'))
    assert stage.ask("at l\nput y") == [
        hash_of(b"x"),
        'err: refused: the manifest of a grants store "s" read-only',
    ]


def test_many_labels_are_listed_up_to_the_bound(stage: Stage) -> None:
    stage.up(keeper("a"))
    stage.ask("use s\nmany 6000")
    assert len(stage.ask("labels")[0].split()) == 6000
    stage.ask("many 10000")
    assert len(stage.ask("labels")[0].split()) == 10_000
    stage.ask("put-at more x")
    assert stage.ask("labels") == ['err: too-large: store "s" has more than 10000 labels to list']


def test_whoever_dies_whenever_what_was_answered_is_there(stage: Stage) -> None:
    """Two actors, one store: each content that an answer names can be got, by both."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    stage.up(keeper("a"), keeper("b"))
    for name in "ab":
        stage.ask("use s", name)
    kept: list[bytes] = []
    for number in range(25):
        content = b"%d " % number * dice.choice([1, 1000])
        content = content.strip()
        point = dice.choice(WRITE_POINTS if number % 12 else COMMIT_POINTS)
        if dice.random() < 0.6:
            stage.arm(point, dice.randint(1, 2))
        label = dice.choice("lmn")
        name = dice.choice("ab")
        script = f"put-at {label} {content.decode()}\nat {label}"
        assert stage.ask(script, name)[-1] == hash_of(content)
        stage.disarm(point)
        kept.append(content)
        seen = dice.choice(kept)
        assert stage.ask(f"get {hash_of(seen)}", dice.choice("ab")) == [seen.decode()]
    assert stage.contents() == {hash_of(each) for each in kept}
    stage.assert_sound()


def test_an_actor_that_cannot_open_its_stores_does_not_start(stage: Stage) -> None:
    system = stage.up(keeper("a"), actor("b"))
    store = Path(system.data.store)
    away = stage.theater.directory / "away"
    store.rename(away)
    os.kill(system.actor("a")["pid"], signal.SIGKILL)

    def exits() -> str:
        events = [row.event for row in system.log.events(actors=["a"])]
        return str([each.payload for each in events if each.type == "exited"])

    eventually(lambda: "No such file or directory" in exits(), "it to say why")
    away.rename(store)
    assert stage.ask("use s\nput x") == ["", hash_of(b"x")]
