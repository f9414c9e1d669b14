"""Replay everything that a data directory has recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from theater.errors import TheaterError
from theater.replay.process import PlayerProcess
from theater.replay.recording import Recording
from theater.replay.run import Replayed, Replayer

_process: PlayerProcess | None = None  # for all replays of these tests: its start is most of one


def replayed(data: Path) -> Counter[str]:
    """Replay all actors of a data directory: how many runs ended how, all of them as they had."""
    global _process
    process, _process = _process or PlayerProcess(), None
    recording = Recording(str(data))
    endings: Counter[str] = Counter()
    try:
        with Replayer(recording, process) as replayer:
            for actor in recording.log.actors():
                try:
                    for item in replayer.replay(actor):
                        if isinstance(item, Replayed):
                            assert item.difference is None, (
                                f"theater replay {actor} --from {item.run.turn}: {item.difference}"
                            )
                            assert item.compares_fuel
                            endings[item.run.ending] += 1
                except TheaterError as error:
                    raise AssertionError(f"{actor} does not replay: {error}") from error
        _process = process  # nothing has gone wrong: it can be used again
    finally:
        recording.close()
        if _process is None:
            process.close()
    return endings
