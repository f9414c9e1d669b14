"""A pytest plugin: running systems as fixtures, and recorded runs as tests.

`theater_system` and `theater_start` are told in `running.py`.

Each actor of each `*.theater` file is a test, which replays it. It passes if the actor does again
what was recorded; if not, the difference is the failure. With

    [tool.pytest.ini_options]
    theater_components = ["shop/prices = build/prices.wasm"]
    theater_allow_logs = true

a freshly built component takes the place of the recorded one: of an actor, or of all below a
supervisor. Nothing of Theater is imported before there is such a file, or a test with a fixture.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from theater.cli.regress import OpenRun
    from theater.testing.running import Running

MARKER = "theater"
_OPTION = "theater_component"


class NotAsRecorded(AssertionError):
    """The text says what differs."""


@pytest.fixture
def theater_start(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Running]]:
    """Start a system: `theater_start("other.toml")`; a relative path is one from the test's file.

    Without a manifest it is the nearest one, from the test's directory upwards.
    """
    from theater.manifest_files import find
    from theater.testing.running import Running

    def start(manifest: str | os.PathLike[str] | None = None) -> Running:
        here = request.path.parent
        path = find(here) if manifest is None else here / manifest
        running = Running(path, tmp_path_factory.mktemp("theater"))
        started.callback(running.end)
        started.callback(_tell, running)  # before that
        return running

    with contextlib.ExitStack() as started:
        yield start


def _tell(running: Running) -> None:
    """pytest shows it with a test that has failed."""
    for line in running.story():
        print(line)


@pytest.fixture
def theater_system(theater_start: Callable[..., Running]) -> Running:
    """The system of the nearest manifest, running: see `theater.testing.Running`."""
    return theater_start()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("theater", "recorded runs of Theater (*.theater)")
    group.addoption(
        "--theater-component",
        action="append",
        default=[],
        metavar="ACTOR=FILE",
        help="Replay this actor, or all below this supervisor, with another component.",
    )
    parser.addini(
        "theater_components",
        "Components that take the place of recorded ones: ACTOR = FILE, from the ini-file's place.",
        type="linelist",
        default=[],
    )
    parser.addini(
        "theater_allow_logs",
        "Other log lines than were recorded are no difference.",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: replays an actor of a recorded run")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> RunFile | None:
    if file_path.suffix == ".theater" and file_path.is_file():
        found: RunFile = RunFile.from_parent(parent, path=file_path)
        return found
    return None


def pytest_collection_finish(session: pytest.Session) -> None:
    """A component that takes nobody's place tests nothing."""
    actors = [item.name for item in session.items if isinstance(item, RunItem)]
    if not actors:
        return
    from theater.cli.place import at_or_below

    asked = {each.partition("=")[0].strip() for each in session.config.getoption(_OPTION)}
    for name in components(session.config):
        if at_or_below(name, actors):
            continue
        text = f"theater component {name!r}: no actor of a run that is tested has this name"
        if name in asked:
            raise pytest.UsageError(f"{text}, or is below it")
        warnings.warn(pytest.PytestWarning(f"{text}, or is below it"), stacklevel=1)


class RunFile(pytest.File):
    """One recorded run, which is unpacked when the first of its tests begins."""

    run: OpenRun | None = None

    def collect(self) -> Iterator[RunItem]:
        from theater.errors import TheaterError
        from theater.runs.unpack import header_of

        try:
            header = header_of(str(self.path))
        except TheaterError as error:
            raise self.CollectError(str(error)) from None
        for actor in header.actors:
            item: RunItem = RunItem.from_parent(self, name=actor)
            item.add_marker(MARKER)
            yield item

    def opened(self) -> OpenRun:
        if self.run is None:
            from theater.cli.regress import OpenRun

            self.run = OpenRun(str(self.path))
        return self.run

    def teardown(self) -> None:
        if self.run is not None:
            self.run.close()
            self.run = None


class RunItem(pytest.Item):
    """One actor of a run."""

    def runtest(self) -> None:
        from theater.cli.regress import component_for
        from theater.cli.terminal import Stream

        file = self.parent
        assert isinstance(file, RunFile)
        component = component_for(components(self.config), self.name)
        allow_logs = bool(self.config.getini("theater_allow_logs"))
        run = file.opened()
        tally, options = run.replay(self.name, component, allow_logs)
        if tally.difference is not None:
            lines = run.lines(tally, options, Stream(io.StringIO()))
            raise NotAsRecorded("\n".join(lines))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from theater.errors import TheaterError

        if isinstance(excinfo.value, NotAsRecorded | TheaterError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"replay of {self.name}"


def components(config: pytest.Config) -> dict[str, str]:
    """By the address of an actor or a supervisor. Raises UsageError."""
    from theater.cli.regress import replacement

    found: dict[str, str] = {}
    base = config.inipath.parent if config.inipath is not None else config.rootpath
    said = [(each, base) for each in config.getini("theater_components")]
    said += [(each, config.invocation_params.dir) for each in config.getoption(_OPTION)]
    for each, where in said:
        pair = replacement(each)
        if pair is None:
            raise pytest.UsageError(f"theater component {each!r}: say ACTOR=FILE")
        found[pair[0]] = str(where / pair[1])
    return found
