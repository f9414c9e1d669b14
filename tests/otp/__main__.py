"""`python -m tests.otp FIRST LAST`: these seeds, and the smallest scenario of each difference."""

from __future__ import annotations

import sys
from collections import Counter

from tests.otp.chance import Chance
from tests.otp.compare import differences, smallest

BLOCK = 500
SHOWN_MAX = 5  # of a kind


def main(first: int, last: int) -> int:
    kinds: Counter[str] = Counter()
    for start in range(first, last, BLOCK):
        seeds = range(start, min(start + BLOCK, last))
        found = differences([Chance(seed).scenario() for seed in seeds])
        for seed, each in zip(seeds, found, strict=True):
            if each is not None:
                kinds[each.what] += 1
                if kinds[each.what] <= SHOWN_MAX:
                    print(f"seed {seed}: {smallest(each)}\n", flush=True)
    print(f"seeds {first} to {last - 1}: {kinds.total()} differences {dict(kinds) or ''}")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
