"""What is installed is all that is needed, and in its place."""

from __future__ import annotations

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_both_packages_with_their_data_and_nothing_else(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"theater", "theater_actor"}
    assert {
        "theater/__main__.py",
        "theater/wit/theater-simple.wit",
        "theater/project/languages/componentize.mjs",
        "theater/py.typed",
        "theater/testing/plugin.py",
        "theater_actor/__init__.py",
        "theater_actor/component.py",
        "theater_actor/py.typed",
    } <= names
    assert not any(name.startswith("theater/sdk") for name in names), "a second copy of the package"
    templates = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "theater" / "project" / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(templates) > 20 and templates <= names, "what `theater new` makes its projects of"
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "theater").rglob("*.py")}
    assert {name for name in modules if not name.startswith("theater/sdk")} <= names
