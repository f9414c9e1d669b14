"""The WIT that an actor is built against: what it uses of Theater's, and of the handlers that its
author has written and the manifest grants. A world is made of both, which nobody has to write."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from theater.hints import written
from theater.project.job import WIT, BuildFailed

NAME = "with-handlers"
_PACKAGE = re.compile(r"^package ([a-z0-9:%-]+);$", re.M)
_INTERFACE = re.compile(r"^interface %?([a-z0-9-]+) \{$", re.M)


def names(interfaces: Iterable[str]) -> list[str]:
    """`demo:llm/chat`, of each text as `theater.custom.wit` writes it."""
    found = []
    for text in interfaces:
        package, interface = _PACKAGE.search(text), _INTERFACE.search(text)
        assert package is not None and interface is not None, "the WIT of a handler"
        found.append(f"{package[1].replace('%', '')}/{interface[1]}")
    return found


def world(
    stage: Path, base: str, interfaces: tuple[str, ...], more: tuple[str, ...] = ()
) -> tuple[Path, str]:
    """(a directory of WIT, the world in it): `base` of Theater's, with these imported too. `more`:
    what else is in it, line by line."""
    if not interfaces and not more:
        return WIT, base
    place = stage / "wit"
    shutil.copytree(WIT, place / "deps" / "theater-simple")
    imports = names(interfaces)
    for name, text in zip(imports, interfaces, strict=True):
        package, _, interface = name.partition("/")
        directory = place / "deps" / package.replace(":", "-")
        directory.mkdir(exist_ok=True)
        (directory / f"{interface}.wit").write_text(text)
    lines = [f"    {line}" for line in more]
    lines += [f"    import {_written(name)};" for name in imports]
    made = ["package theater:made;", "", f"world {NAME} {{"]
    made += [f"    include theater:simple/{base};", *lines, "}", ""]
    (place / "world.wit").write_text("\n".join(made))
    return place, NAME


def _written(name: str) -> str:
    package, _, interface = name.partition("/")
    return f"{':'.join(map(written, package.split(':')))}/{written(interface)}"


def check_modules(interfaces: Iterable[str]) -> None:
    """Bindings in Python are modules, called as the last words of interfaces."""
    own = {
        match[1] for path in WIT.glob("*.wit") for match in _INTERFACE.finditer(path.read_text())
    }
    for name in names(interfaces):
        last = name.rpartition("/")[2]
        if last in own:
            raise BuildFailed(
                f"{name}: another interface is called {last}, too, and the bindings of both would"
                " be one module of Python's; give it another name"
            )
        own.add(last)
