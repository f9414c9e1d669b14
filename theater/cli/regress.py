"""`theater test`: recorded runs as regression tests, each actor of each run by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from theater.cli.orderly import ended_in_order
from theater.cli.place import Usage, at_or_below
from theater.cli.status import number_of
from theater.cli.tally import DIFFERS, Tally, counted, tally_json, told
from theater.cli.terminal import BOLD, RED, Stream, Terminal
from theater.errors import TheaterError
from theater.quoting import quoted
from theater.replay.recording import Recording
from theater.replay.run import Options, Replayer
from theater.runs.format import Header
from theater.runs.unpack import header_of, opened
from theater.values import visible


class OpenRun:
    """A recorded run, unpacked. Close it: what it was unpacked into goes with it."""

    def __init__(self, path: str) -> None:
        with ExitStack() as stack:
            directory = stack.enter_context(opened(path))
            self.recording = Recording(directory)
            stack.callback(self.recording.close)
            self._replayer = stack.enter_context(Replayer(self.recording))
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def replay(
        self,
        actor: str,
        component: str | None = None,
        allow_logs: bool = False,
        on_progress: Callable[[str], None] = lambda _text: None,
    ) -> tuple[Tally, Options]:
        """All turns of an actor, up to the first difference. Raises TheaterError."""
        options = Options(component=component, allow_logs=allow_logs)
        tally = Tally(actor)
        for _ in counted(self.recording, self._replayer, tally, options, on_progress):
            pass
        return tally, options

    def lines(
        self, tally: Tally, options: Options, stream: Stream, width: int = 0
    ) -> Iterator[str]:
        """What came of it, for people."""
        return told(tally, options, width, self.recording.log.content, stream)


@dataclass(slots=True)
class Score:
    same: int = 0
    other: int = 0
    broken: int = 0  # could not be replayed
    code: int = 0  # how the command ends

    def add(self, tally: Tally) -> None:
        if tally.difference is None:
            self.same += 1
        else:
            self.other += 1
            self.code = DIFFERS

    def fail(self, error: TheaterError) -> None:
        self.broken += 1
        self.code = self.code if self.code == DIFFERS else error.exit_code


def component_for(components: Mapping[str, str], actor: str) -> str | None:
    """The file that is put in place of the recorded component: by the actor's own address, else by
    that of the nearest supervisor above that is named."""
    name = actor
    while True:
        if name in components:
            return components[name]
        if "/" not in name:
            return None
        name = name.rpartition("/")[0]


def replacement(said: str) -> tuple[str, str] | None:
    """The two of ACTOR=FILE; None: it is something else."""
    actor, _, file = (part.strip() for part in said.partition("="))
    return (actor, file) if actor and file else None


def parsed(replacements: list[str]) -> dict[str, str]:
    """As given on a command line. Raises Usage."""
    found = {}
    for each in replacements:
        pair = replacement(each)
        if pair is None:
            raise Usage(f"--component {each}: say ACTOR=FILE, as in shop/prices=new.wasm")
        found[pair[0]] = pair[1]
    return found


def test_command(
    terminal: Terminal,
    runs: list[str],
    replacements: list[str],
    allow_logs: bool,
    as_json: bool,
) -> int:
    components = parsed(replacements)
    score = Score()
    headers: dict[str, Header] = {}
    broken: dict[str, TheaterError] = {}
    for path in dict.fromkeys(runs):
        try:
            headers[path] = header_of(path)
        except TheaterError as error:
            broken[path] = error
    actors = [actor for header in headers.values() for actor in header.actors]
    for name in components:
        if actors and not at_or_below(name, actors):
            raise Usage(f"--component: no actor {quoted(name)} is in a run, and none is below it")
    for path, problem in broken.items():
        if not as_json:
            terminal.print(terminal.out.style(visible(path), BOLD))
        score.fail(problem)
        _say_broken(terminal, path, None, problem, as_json)
    for path, header in headers.items():
        if not as_json:
            terminal.print(terminal.out.style(visible(path), BOLD))
            terminal.flush()
        with ExitStack() as stack:
            stack.enter_context(ended_in_order())
            try:
                run = OpenRun(path)
            except TheaterError as error:
                score.fail(error)
                _say_broken(terminal, path, None, error, as_json)
                continue
            stack.callback(run.close)
            width = max(map(len, header.actors), default=0)
            for actor in header.actors:
                component = component_for(components, actor)
                _test(terminal, run, path, actor, component, allow_logs, as_json, width, score)
    if not as_json:
        terminal.print(_summary(score, len(headers) + len(broken)))
    return score.code


def _test(
    terminal: Terminal,
    run: OpenRun,
    path: str,
    actor: str,
    component: str | None,
    allow_logs: bool,
    as_json: bool,
    width: int,
    score: Score,
) -> None:
    try:
        tally, options = run.replay(
            actor, component, allow_logs, lambda text: terminal.progress(text, passing=True)
        )
    except TheaterError as error:
        score.fail(error)
        _say_broken(terminal, path, actor, error, as_json)
        return
    score.add(tally)
    if as_json:
        facts = tally_json(tally, run.recording.log.content)
        terminal.print(json.dumps({"run": path, **facts, "error": None}))
    else:
        for line in run.lines(tally, options, terminal.out, width):
            terminal.print(f"  {line}")
    terminal.flush()


def _say_broken(
    terminal: Terminal, path: str, actor: str | None, error: TheaterError, as_json: bool
) -> None:
    if as_json:
        facts: dict[str, Any] = {"run": path, "actor": actor, "identical": None}
        terminal.print(json.dumps({**facts, "error": str(error)}))
    else:
        head = "" if actor is None else f"{visible(actor)}  "
        said = terminal.out.style(f"cannot be replayed: {visible(str(error))}", RED)
        terminal.print(f"  {head}{said}")


def _summary(score: Score, runs: int) -> str:
    parts = [f"{score.same} as recorded"]
    parts += [f"{score.other} not"] if score.other else []
    parts += [f"{score.broken} could not be replayed"] if score.broken else []
    total = score.same + score.other + score.broken
    return f"{number_of(runs, 'run')}, {number_of(total, 'actor')}: {', '.join(parts)}"
