"""`make soak MINUTES=5 SEED=1`: see `soak`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description="Random kills; nothing may be left.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"soak: {options.minutes:g} min, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="theater-soak-") as directory:
        soak = Soak(Path(directory), options.seed, say=lambda text: print(text, flush=True))
        soak.run(options.minutes * 60)
    print(f"soak: passed; {soak.told()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
