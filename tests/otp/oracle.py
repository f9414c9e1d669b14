"""Ask the supervisor of Erlang/OTP: scenarios out, records in. See oracle.erl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_never

from tests.otp.scenario import Add, Ask, Batch, Die, Move, Record, Scenario, StartInstance
from theater.spec import ActorSpec, ChildSpec, Shutdown, ShutdownKind

ORACLE = Path(__file__).with_name("oracle.erl")
RELEASE_MIN = 24  # the first with significant children
RUN = """
    [Source, Scenarios] = init:get_plain_arguments(),
    {ok, Module, Code} = compile:file(Source, [binary]),
    {module, Module} = code:load_binary(Module, Source, Code),
    Module:main(Scenarios).
"""
TIMEOUT_S = 300.0  # for hundreds of scenarios, which take a second or two


@cache
def missing() -> str:
    """Why OTP cannot be asked; "" if it can."""
    if shutil.which("erl") is None:
        return "Erlang is not installed (on Debian: apt install erlang-base)"
    release = _erl("io:put_chars(erlang:system_info(otp_release)), halt().")
    if not release.isdecimal() or int(release) < RELEASE_MIN:
        return f"this is OTP {release!r}, and {RELEASE_MIN} or newer is needed"
    return ""


def ask(scenarios: Sequence[Scenario]) -> list[list[Record]]:
    """For each scenario a record of its start and one after each batch. One start of a VM."""
    with TemporaryDirectory() as scratch:
        file = Path(scratch, "scenarios")
        file.write_text("".join(f"{term(each)}.\n" for each in scenarios))
        said = _erl(RUN, str(ORACLE), str(file))
    lines = said.splitlines()
    assert len(lines) == len(scenarios), f"{len(lines)} answers to {len(scenarios)} scenarios"
    return [[_record(each) for each in json.loads(line)] for line in lines]


def _erl(code: str, *arguments: str) -> str:
    # One scheduler: oracle.erl relies on it.
    command = ["erl", "+S", "1", "-noshell", "-eval", code, "-extra", *arguments]
    environment = os.environ | {"ERL_CRASH_DUMP_SECONDS": "0"}  # no file where we happen to be
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment
    )
    if done.returncode != 0:
        said = f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise RuntimeError(f"erl ended with status {done.returncode}\n{said}")
    return done.stdout


def _record(said: dict[str, Any]) -> Record:
    children = {
        path: tuple((each, state) for each, state in listed)
        for path, listed in said["children"].items()
    }
    return Record(
        said["skipped"],
        said["ended"],
        tuple(said["answers"]),
        tuple(said["trace"]),
        children,
        {path: tuple(counts) for path, counts in said["counts"].items()},
    )


# Erlang's terms ----------------------------------------------------------------------------


def term(scenario: Scenario) -> str:
    fates = ",".join(f"{{{_text(path)},{n},{fate}}}" for path, n, fate in scenario.fates)
    batches = ",\n  ".join(_batch(batch) for batch in scenario.batches)
    return f"{{{_spec(scenario.tree)},\n [{fates}],\n [{batches}]}}"


def _batch(batch: Batch) -> str:
    return f"{{{_text(batch.supervisor)},[{','.join(_move(move) for move in batch.moves)}]}}"


def _move(move: Move) -> str:
    match move:
        case Die(path, kind):
            return f"{{exit,{_text(path)},{kind}}}"
        case Ask(verb, path):
            return f"{{call,{verb},{_text(path)}}}"
        case Add(spec):
            return f"{{add,{_spec(spec)}}}"
        case StartInstance(label):
            return f"{{instance,{_text(label)}}}"
        case _:
            assert_never(move)


def _spec(spec: ChildSpec) -> str:
    kind = "worker" if isinstance(spec, ActorSpec) else "supervisor"
    significant = str(spec.significant).lower()
    head = f"{kind},{_text(spec.path)},{spec.restart},{significant},{_shutdown(spec.shutdown)}"
    if isinstance(spec, ActorSpec):
        return f"{{{head}}}"
    flags = (
        f"strategy=>{spec.strategy},intensity=>{spec.intensity},"
        f"period=>{spec.period_s:.0f},auto_shutdown=>{spec.auto_shutdown}"
    )
    children = (spec.template,) if spec.template else spec.children
    return f"{{{head},#{{{flags}}},[{','.join(_spec(child) for child in children)}]}}"


def _shutdown(shutdown: Shutdown) -> str:
    if shutdown.kind is ShutdownKind.TIMEOUT:
        return f"{shutdown.timeout_s * 1000:.0f}"
    return str(shutdown.kind)


def _text(text: str) -> str:
    return f'<<"{text}">>'
