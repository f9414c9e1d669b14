"""Packages from PyPI: fetched once, whole, and nothing but Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from theater.project.job import BuildFailed, ToolMissing
from theater.project.languages.packages import fetched


class Pip:
    """Writes a module where it is told to, or fails."""

    def __init__(self, fails: str = "") -> None:
        self.commands: list[list[str]] = []
        self._fails = fails

    def __call__(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        what: str = "",
        clean: Callable[[str], str] = str,
    ) -> str:
        self.commands.append(command)
        (Path(command[command.index("--target") + 1]) / "module.py").touch()
        if self._fails:
            raise BuildFailed(clean(self._fails))
        return ""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "theater" / "packages"


def test_what_was_fetched_is_not_fetched_again(cache: Path) -> None:
    pip = Pip()
    place = fetched(("a==1", "b"), pip)
    assert place.parent == cache and os.listdir(place) == ["module.py"]
    assert fetched(("b", "a==1"), pip) == place
    assert fetched(("a==2", "b"), pip) != place
    assert len(pip.commands) == 2


def test_pip_is_asked_for_nothing_but_python() -> None:
    pip = Pip()
    fetched(("a==1",), pip)
    said = " ".join(pip.commands[0])
    assert "--only-binary :all: --platform any --implementation py --abi none" in said
    assert "--python-version 3.14" in said and said.endswith(" a==1")


def test_what_could_not_be_fetched_is_told_and_leaves_nothing(cache: Path) -> None:
    said = "Looking\nERROR: No matching distribution found for a==1\n[notice] a new pip\n"
    with pytest.raises(BuildFailed) as caught:
        fetched(("a==1",), Pip(said))
    lines = str(caught.value).splitlines()
    assert lines[0] == "ERROR: No matching distribution found for a==1"
    assert "no version of it that is Python alone" in lines[1]
    assert os.listdir(cache) == []


def test_where_there_is_no_pip_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ToolMissing, match=r"pip, which fetches a==1, is missing: .* -m ensurepip"):
        fetched(("a==1",), Pip())
