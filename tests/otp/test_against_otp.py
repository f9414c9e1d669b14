"""The supervisor of Erlang/OTP and our policy live through the same scenarios.

To run more seeds than here, and see what is left of a difference: python -m tests.otp 0 20000
"""

from __future__ import annotations

import pytest

from tests.otp import oracle
from tests.otp.chance import Chance
from tests.otp.compare import Difference, differences, smallest
from tests.otp.rules import RULES

BLOCK = 250


@pytest.fixture(scope="module", autouse=True)
def otp() -> None:
    if reason := oracle.missing():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def by_rule() -> dict[str, Difference | None]:
    return dict(zip(RULES, differences(list(RULES.values())), strict=True))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_goes_as_in_otp(rule: str, by_rule: dict[str, Difference | None]) -> None:
    if found := by_rule[rule]:
        pytest.fail(str(found), pytrace=False)


@pytest.mark.parametrize("block", range(4))
def test_any_scenario_goes_as_in_otp(block: int) -> None:
    seeds = range(block * BLOCK, (block + 1) * BLOCK)
    found = differences([Chance(seed).scenario() for seed in seeds])
    for seed, each in zip(seeds, found, strict=True):
        if each is not None:
            pytest.fail(f"seed {seed}: {smallest(each)}", pytrace=False)
