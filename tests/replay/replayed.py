"""Replay everything that a data directory has recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from theater.errors import TheaterError
from theater.replay.recording import Recording
from theater.replay.run import Replayed, Replayer


def replayed(data: Path) -> Counter[str]:
    """Replay all actors of a data directory: how many runs ended how, all of them as they had."""
    recording = Recording(str(data))
    endings: Counter[str] = Counter()
    try:
        with Replayer(recording) as replayer:
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
    finally:
        recording.close()
    return endings
