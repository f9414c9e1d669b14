"""`make fuzz MINUTES=5 SEED=1`: cases of every target in turn, until the time is up."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.cases import TARGETS, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Hostile input; nothing may break.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--case", type=int, help="only this case of the target")
    options = parser.parse_args()
    targets = [options.target] if options.target else list(TARGETS)
    if options.case is not None:
        run(targets[0], options.case)
        return 0
    print(f"fuzz: {options.minutes:g} min, seed {options.seed}", flush=True)
    dice = random.Random(options.seed)
    until_s = time.monotonic() + options.minutes * 60
    cases = 0
    while time.monotonic() < until_s:
        for target in targets:
            run(target, dice.randrange(1 << 32))
        cases += 1
    print(f"fuzz: passed; {cases} cases of {', '.join(targets)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
