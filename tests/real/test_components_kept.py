"""What an actor runs is kept in the data directory, whatever becomes of the file it came from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.mounted import mounted
from tests.real.conftest import COMPONENTS, Theater, actor
from theater.client import System
from theater.errors import EnvironmentProblem, TheaterError
from theater.paths import component_path

PROBE = (COMPONENTS / "probe.wat").read_bytes()


def changed(number: int) -> bytes:
    return PROBE + b"\n;; version %d\n" % number


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def kept(data: Path | str) -> set[str]:
    """The names of what is kept, each of which must be the hash of its bytes."""
    names = set(os.listdir(Path(data) / "components"))
    for name in names:
        assert sha256(Path(component_path(str(data), name)).read_bytes()) == name
    return names


def in_chain(system: System, name: str) -> list[str]:
    """The components that an actor's chain names, in order."""
    payloads = [row.event.payload for row in system.log.events(actors=[name])]
    named = [p.get("component") for p in payloads if isinstance(p, dict)]
    return [each for each in named if isinstance(each, str)]


def test_it_is_kept_through_up_reload_add_and_pools_when_the_file_is_gone(
    theater: Theater,
) -> None:
    file = theater.directory / "own.wat"
    pool = theater.directory / "pooled.wat"
    added = theater.directory / "added.wat"
    for number, path in enumerate((file, pool, added)):
        path.write_bytes(changed(number))
    workers = (
        '[[child]]\nname = "workers"\n'
        'supervisor = { strategy = "simple_one_for_one", instances = 1 }\n'
        f'[[child.child]]\nname = "w"\ncomponent = "{pool}"\n'
        '[[child.child.handler]]\ntype = "runtime"\n'
        '[[child.child.handler]]\ntype = "message-server"\n'
    )
    system = theater.up(actor("a", str(file)), workers)
    assert kept(theater.data) == {sha256(changed(0)), sha256(changed(1))}
    file.write_bytes(changed(3))
    pool.unlink()
    assert kept(theater.data) == {sha256(changed(0)), sha256(changed(1))}

    fragment = theater.directory / "more.toml"
    fragment.write_text(actor("b", str(added)))
    system.add_child(str(fragment))
    assert sha256(changed(2)) in kept(theater.data)

    pool.write_bytes(changed(1))
    system.reload(dry_run=True)
    assert sha256(changed(3)) not in kept(theater.data)
    system.reload()
    assert kept(theater.data) == {sha256(changed(number)) for number in range(4)}
    added.unlink()
    system.restart("a")
    for name in ("a", "b", "workers/w-1"):
        assert in_chain(system, name) and set(in_chain(system, name)) <= kept(theater.data)


def test_what_is_put_away_has_its_components_and_the_new_run_its_own(theater: Theater) -> None:
    file = theater.directory / "own.wat"
    file.write_bytes(changed(0))
    theater.up(actor("a", str(file)), actor("b")).close()
    file.write_bytes(changed(1))
    with System.start(theater.manifest, fresh=True) as system:
        assert system.archive is not None
        assert {sha256(changed(0)), sha256(PROBE)} <= kept(system.archive)
        assert kept(theater.data) == {sha256(changed(1)), sha256(PROBE)}


def test_without_room_for_it_nothing_starts_and_what_is_missing_is_said(theater: Theater) -> None:
    file = theater.directory / "large.wat"
    file.write_bytes(PROBE + b"\n;;" + b"x" * (3 << 20))
    with mounted(theater.data, "2m"):
        with pytest.raises(EnvironmentProblem, match=r"cannot keep the components .* make room"):
            theater.up(actor("a", str(file)))
        assert not (theater.data / "chain.db").exists()


def test_an_add_that_cannot_keep_its_component_is_refused(theater: Theater) -> None:
    file = theater.directory / "large.wat"
    file.write_bytes(PROBE + b"\n;;" + b"x" * (30 << 20))
    with mounted(theater.data, "20m"):
        system = theater.up(actor("a"))
        fragment = theater.directory / "more.toml"
        fragment.write_text(actor("b", str(file)))
        with pytest.raises(TheaterError, match="cannot keep the components"):
            system.add_child(str(fragment))
        assert [row["actor"] for row in system.ps()] == ["a"]
        theater.end()
