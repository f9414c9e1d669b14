"""`make replay MINUTES=5 SEED=1`: random actors, random traffic, and everything replayed."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.replay.history import History

MESSAGES = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="replay", description="What was recorded replays.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, help="Only this one, once.")
    parser.add_argument(
        "languages", nargs="*", help="With an actor in python, javascript, or both."
    )
    options = parser.parse_args()
    deadline_s = time.monotonic() + 60 * options.minutes
    endings: Counter[str] = Counter()
    count = 0
    while count == 0 or (options.seed is None and time.monotonic() < deadline_s):
        seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
        languages = options.languages
        if options.seed is None and count % 4 == 3:
            languages = languages or ["python"]
        print(f"replay: --seed {seed} {' '.join(languages)}", flush=True)
        with tempfile.TemporaryDirectory(prefix="theater-replay-") as directory:
            history = History(Path(directory), seed, languages)
            history.run(MESSAGES)
            endings += history.replay()
        count += 1
    told = ", ".join(f"{number:,} {ending}" for ending, number in sorted(endings.items()))
    print(f"replay: passed; {count} histories, runs: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
