"""The WIT that an actor is built against: what it uses of Theater's, of the handlers that its
author has written and the manifest grants, and of wasi:http. A world is made of all that, which
nobody has to write."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from theater.hints import written
from theater.project.job import WIT, BuildFailed

NAME = "with-handlers"
WIT_HTTP = WIT.with_name("wit_http")
VERSION = "0.2.12"  # of wasi:http
# Theater and wasi:http have a `types` each. componentize-py's own poll_loop means the latter.
MODULES = (
    *("--import-interface-name", "theater:simple/types=theater_types"),
    *("--import-interface-name", f"wasi:http/types@{VERSION}=types"),
)
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


def of_http(is_used: bool = True) -> list[Path]:
    """The files of wasi:http and of what it uses."""
    return sorted(WIT_HTTP.glob("*.wit")) if is_used else []


def world(
    stage: Path,
    base: str,
    interfaces: tuple[str, ...],
    more: tuple[str, ...] = (),
    http: bool = False,
) -> tuple[Path, str]:
    """(a directory of WIT, the world in it): `base` of Theater's, with these imported too. `more`:
    what else is in it, line by line; `http`: and wasi:http."""
    if not interfaces and not more and not http:
        return WIT, base
    place = stage / "wit"
    shutil.copytree(WIT, place / "deps" / "theater-simple")
    imports = names(interfaces)
    for name, text in zip(imports, interfaces, strict=True):
        package, _, interface = name.partition("/")
        directory = place / "deps" / package.replace(":", "-")
        directory.mkdir(exist_ok=True)
        (directory / f"{interface}.wit").write_text(text)
    for path in of_http(http):
        directory = place / "deps" / f"wasi-{path.stem}"
        directory.mkdir()
        shutil.copy(path, directory)
    lines = [f"    {line}" for line in more]
    lines += [f"    import {_written(name)};" for name in imports]
    lines += [f"    import wasi:http/outgoing-handler@{VERSION};"] if http else []
    made = ["package theater:made;", "", f"world {NAME} {{"]
    made += [f"    include theater:simple/{base};", *lines, "}", ""]
    (place / "world.wit").write_text("\n".join(made))
    return place, NAME


def _written(name: str) -> str:
    package, _, interface = name.partition("/")
    return f"{':'.join(map(written, package.split(':')))}/{written(interface)}"


def check_modules(interfaces: Iterable[str], http: bool = False) -> None:
    """Bindings in Python are modules, called as the last words of interfaces."""
    own = {
        match[1]
        for path in [*WIT.glob("*.wit"), *of_http(http)]
        for match in _INTERFACE.finditer(path.read_text())
    }
    for name in names(interfaces):
        last = name.rpartition("/")[2]
        if last in own:
            raise BuildFailed(
                f"{name}: another interface is called {last}, too, and the bindings of both would"
                " be one module of Python's; give it another name"
            )
        own.add(last)
