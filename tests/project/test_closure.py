"""Which files a Python module is made from, found by reading."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from theater.project.job import BuildFailed
from theater.project.languages.closure import GUEST_PYTHON, closure


def files(directory: Path, **texts: str) -> Path:
    """`shop__stock="..."` is shop/stock.py; the first one is the source."""
    for name, text in texts.items():
        path = directory / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / f"{next(iter(texts))}.py"


def names(source: Path) -> set[str]:
    return {*closure(source).files}


def test_it_is_the_module_with_all_that_it_imports_beside_it(tmp_path: Path) -> None:
    source = files(
        tmp_path,
        app="import json\nimport prices\nfrom shop import stock\n",
        prices="def late():\n    import lists\n",
        lists="",
        shop__stock="from . import shelf\nfrom .shelf import x\n",
        shop__shelf="",
        shop__unused="",
        test_app="import app",
    )
    (tmp_path / "shop" / "__init__.py").touch()
    assert names(source) == {
        "app.py",
        "prices.py",
        "lists.py",
        "shop/__init__.py",
        "shop/stock.py",
        "shop/shelf.py",
    }
    assert closure(source).imported == {"json"}


def test_imports_may_go_round_in_a_circle(tmp_path: Path) -> None:
    source = files(tmp_path, app="import other", other="import app")
    assert names(source) == {"app.py", "other.py"}


def test_a_file_that_the_code_names_belongs_to_it(tmp_path: Path) -> None:
    text = 'open("prices.json"); open("/etc/passwd"); open("../secret"); x = "build"; y = "no.txt"'
    source = files(tmp_path, app=text)
    (tmp_path / "prices.json").write_text("{}")
    (tmp_path.parent / "secret").write_text("")
    (tmp_path / "build").mkdir()
    assert names(source) == {"app.py", "prices.json"}


def test_where_a_name_is_made_up_every_module_belongs_to_it(tmp_path: Path) -> None:
    source = files(
        tmp_path,
        app='import importlib\nimportlib.import_module("plug" + "in")',
        plugin="",
        build__copy="",
        venv__x="",
    )
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.py").touch()
    assert names(source) == {"app.py", "plugin.py"}


@pytest.mark.skipif(sys.version_info >= GUEST_PYTHON, reason="this Python knows all that it can")
def test_what_only_a_newer_python_may_be_able_to_read_is_left_to_it(tmp_path: Path) -> None:
    source = files(tmp_path, app="match x:\n    a bc", other="")
    found = closure(source)
    assert found.tree is None
    assert found.files.keys() == {"app.py", "other.py"}


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"nix\.py: cannot be read: No such file"):
        closure(tmp_path / "nix.py")
