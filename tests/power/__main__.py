"""Cut the power for MINUTES, at random: `make power MINUTES=5 SEED=7`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.power.cuts import Cuts
from theater.spec import Durability

RUNS, CUTS = 4, 10  # with one seed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    end_s = time.monotonic() + 60 * options.minutes
    count = lost = 0
    for seed in range(options.seed, 1 << 33):
        if time.monotonic() > end_s:
            break
        for durability in Durability:
            with tempfile.TemporaryDirectory() as directory:
                cuts = Cuts(Path(directory), durability, random.Random(seed))
                try:
                    for _ in range(RUNS):
                        cuts.run(CUTS)
                    assert not (cuts.lost and durability is Durability.DISK), "a turn is lost"
                except BaseException:
                    print(f"--seed {seed}, durability {durability.value}", file=sys.stderr)
                    raise
                count += cuts.count
                lost += cuts.lost
    print(f"{count} cuts from --seed {options.seed} on; {lost} lost something that `process` may")
    return 0


if __name__ == "__main__":
    sys.exit(main())
