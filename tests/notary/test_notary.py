"""The notary: what it signs, what it refuses to sign, and what it leaves when it dies."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.notary.made import Made
from theater import heads, keys
from theater.errors import Damaged, EnvironmentProblem, NotRunning
from theater.heads import Head
from theater.notary import tree
from theater.notary.notary import newest_head

NOW = 1_764_121_293.0


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def sign(made: Made, now: float = NOW) -> Head:
    head = newest_head(made.paths, now)
    assert head is not None
    return head


def kept(made: Made) -> list[Head]:
    return [heads.parse(line) for line in Path(made.paths.heads).read_bytes().splitlines()]


def test_a_head_is_over_all_events_and_signed_with_the_key_beside_it(made: Made) -> None:
    made.grow(7)
    head = sign(made)
    assert (head.size, head.root) == made.root_of()
    public = keys.read_public(Path(made.paths.heads_public_key).read_bytes(), "")
    assert public.id == head.key and public.verifies(head.signature, head.signed())
    assert stat.S_IMODE(os.stat(made.paths.heads_key).st_mode) == 0o600
    assert kept(made) == [head]


def test_there_is_another_one_only_when_the_log_has_grown(made: Made) -> None:
    assert newest_head(made.paths, NOW) is None, "there is no event"
    made.grow(3)
    first = sign(made)
    assert sign(made, NOW + 60) == first
    made.grow(1)
    second = sign(made, NOW + 60)
    assert (second.size, second.time) == (4, "2025-11-26T01:42:33Z")
    assert kept(made) == [first, second]


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_is_the_same_however_the_log_has_grown(made: Made, seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(12):
        made.grow(random_.randrange(1, 40))
        if random_.random() < 0.3:  # what is remembered is gone, or is nonsense
            state = Path(made.paths.heads_tree)
            text = random_.choice(["", "{", "[]", '{"size": 3, "peaks": []}', "null"])
            state.write_text(text)
        head = sign(made)
        assert (head.size, head.root) == made.root_of(), f"seed {seed}"


def test_what_is_remembered_of_another_log_is_not_believed(made: Made) -> None:
    made.grow(20)
    sign(made)
    state = Path(made.paths.heads_tree)
    facts = json.loads(state.read_text())
    facts["peaks"].reverse()
    state.write_text(json.dumps(facts))
    made.grow(5)
    head = sign(made)
    assert (head.size, head.root) == made.root_of(), "a bit of it has flipped"
    facts = json.loads(state.read_text())
    facts["peaks"].reverse()
    facts["through"] = ""
    del facts["check"]
    facts["check"] = tree._check(facts)
    state.write_text(json.dumps(facts))
    made.grow(5)
    head = sign(made)
    assert (head.size, head.root) == made.root_of(), "it does not lead to the newest head"


def test_a_long_log_is_not_begun_anew_when_the_notary_dies_on_the_way(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "PAGE", 8)
    monkeypatch.setattr(tree, "SAVE_EVERY", 16)
    made.grow(100)

    class Killed(BaseException):
        pass

    def die(_text: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        newest_head(made.paths, NOW, die)
    assert json.loads(Path(made.paths.heads_tree).read_text())["size"] == 16
    asked: list[int] = []
    leaves = tree.Log.leaves

    def ask(log: tree.Log, first: int, end: int) -> Iterator[list[bytes]]:
        asked.append(first)
        return leaves(log, first, end)

    monkeypatch.setattr(tree.Log, "leaves", ask)
    head = sign(made)
    assert (head.size, head.root) == made.root_of()
    assert asked == [15, 16], "the last leaf is looked at, and what comes after it"


def test_a_torn_line_is_no_head_and_gone_with_the_next_one(made: Made) -> None:
    made.grow(3)
    first = sign(made)
    with open(made.paths.heads, "ab") as file:
        file.write(b'{"theater": "tree head", "ver')
    assert sign(made) == first, "nothing has happened since"
    made.grow(1)
    second = sign(made)
    assert kept(made) == [first, second]


@pytest.mark.parametrize(
    "sql, why",
    [
        ("DELETE FROM events WHERE seq > 5", "the log has 5 events, and 9 of it were signed"),
        ("UPDATE events SET at = 1.0 WHERE seq = 4", "not the one whose first 9 events were"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 9", "not the one whose first 9"),
        ("UPDATE actors SET name = 'b' WHERE name = 'a'", "not the one whose first 9 events"),
        ("DELETE FROM events WHERE seq = 4", "event 4 is missing in the log"),
        ("DELETE FROM actors WHERE id = 2", "has events of an actor 2, and no such actor"),
    ],
)
def test_two_histories_are_never_signed(made: Made, sql: str, why: str) -> None:
    made.grow(9)
    first = sign(made)
    if "seq > 5" not in sql:
        made.grow(1)
    made.change(sql)
    Path(made.paths.heads_tree).unlink()
    with pytest.raises(Damaged, match=why):
        newest_head(made.paths, NOW)
    assert kept(made) == [first]


def test_what_came_before_the_last_look_is_left_to_verify(made: Made) -> None:
    """The notary does not read again what it has been through: it signs what it has seen, so that
    the old head and the new one both tell of the change."""
    made.grow(9)
    sign(made)
    before = made.root_of(9)
    made.change("UPDATE events SET at = 1.0 WHERE seq = 4")
    made.grow(1)
    assert sign(made).root != made.root_of()[1]
    assert before != made.root_of(9)


def test_a_key_that_is_gone_is_not_replaced(made: Made) -> None:
    made.grow(3)
    sign(made)
    made.grow(1)
    key = Path(made.paths.heads_key)
    pem = key.read_bytes()
    key.unlink()
    with pytest.raises(Damaged, match=r"heads\.key is gone"):
        newest_head(made.paths, NOW)
    key.write_bytes(keys.generate().pem)
    with pytest.raises(Damaged, match=r"heads\.pub is not the public key of"):
        newest_head(made.paths, NOW)
    Path(made.paths.heads_public_key).unlink()
    with pytest.raises(Damaged, match="is signed with key"):
        newest_head(made.paths, NOW)
    key.write_bytes(pem)
    Path(made.paths.heads_public_key).unlink()
    assert sign(made).size == 4, "the public key is made from the private one"


def test_a_file_of_heads_that_ends_with_something_else_is_left_alone(made: Made) -> None:
    made.grow(3)
    Path(made.paths.heads).write_text("something\n")
    with pytest.raises(Damaged, match=r"the last line of .*heads\.jsonl is no tree head"):
        newest_head(made.paths, NOW)


def test_where_nothing_can_be_written_that_is_told(made: Made, tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="there is no log"):
        newest_head(type(made.paths)(str(tmp_path / "nowhere")), NOW)
    made.grow(1)
    os.mkdir(made.paths.heads)
    with pytest.raises(EnvironmentProblem, match=r"cannot sign a tree head: .*heads\.jsonl"):
        newest_head(made.paths, NOW)


def test_two_at_once_do_not_tear_the_file(made: Made) -> None:
    code = (
        "import sys, time; from theater.paths import DataPaths;"
        "from theater.notary.notary import newest_head\n"
        "for _ in range(20): newest_head(DataPaths(sys.argv[1]), time.time())"
    )
    made.grow(1)

    def run(_number: int) -> int:
        return subprocess.run([sys.executable, "-c", code, made.paths.directory]).returncode

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, number) for number in range(2)]
        while not all(each.done() for each in runs):
            made.grow(1)
    assert [each.result() for each in runs] == [0, 0]
    sizes = [head.size for head in kept(made)]
    assert sizes == sorted(set(sizes))
    for head in kept(made):
        assert made.root_of(head.size) == (head.size, head.root)


def test_the_process_says_by_its_exit_status_what_has_become_of_it(made: Made) -> None:
    def run() -> int:
        command = [sys.executable, "-m", "theater.notary", "0", str(os.getpid())]
        return subprocess.run([*command, made.paths.directory], stderr=subprocess.PIPE).returncode

    made.grow(3)
    assert run() == 0 and kept(made)[-1].size == 3
    made.change("DELETE FROM events WHERE seq = 3")
    assert run() == 7
    os.rename(made.paths.log, f"{made.paths.log}.away")
    assert run() == 1
