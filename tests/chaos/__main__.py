"""`make chaos SEED=1 MINUTES=20`: see docs/chaos.md."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.chaos import Chaos
from tests.chaos.plan import Plan


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="chaos", description="Kills at every commit point, then at random ones."
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--plan", help="only this one, again and again")
    parser.add_argument("--random", action="store_true", help="at random points from the start")
    options = parser.parse_args()
    until_s = time.monotonic() + options.minutes * 60
    print(f"chaos: {options.minutes:g} min, seed {options.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="theater-chaos-"))
    chaos = Chaos(directory, options.seed, say=lambda text: print(text, flush=True))
    if options.plan:
        while time.monotonic() < until_s:
            chaos.rounds([Plan.read(options.plan)])
    else:
        chaos.count()
        if not options.random:
            chaos.each()
        chaos.at_random(until_s - time.monotonic())
    chaos.end()
    directory.rmdir()
    print(f"chaos: passed; {chaos.told()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
