"""The benchmark harness runs and gives every figure; no time is asserted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import report
from benchmarks.__main__ import measure
from benchmarks.bench import TINY
from benchmarks.figures import FIGURES
from benchmarks.report import Bar, Figure, Round
from tests.slices import WHOLE


@WHOLE  # it takes as long as twenty others
def test_a_tiny_run_gives_every_figure_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    figures, facts = measure(list(FIGURES), TINY, tmp_path, tell=False)
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before
    for figure in figures:
        assert min(figure.samples()) > 0, figure.name
        assert (figure.ratio() is None) is (figure.floor_name == ""), figure.name
    barred = [figure.name for figure in figures if figure.met() is not None]
    assert barred == [
        "spawn to ready (process)",
        "spawn to ready (disk)",
        "kill to ready (process)",
        "kill to ready (disk)",
        "one-way turns (process)",
        "one-way turns (disk)",
        "fair: least of the others",
        "fair: kept by a pair",
        "fair: memory of broker",
        "fair: memory of root",
        "package: echo of 100 B",
        "replay: one-way turns",
        "replay: requests",
        "verify",
        "own memory of an idle actor",
        "theater --version",
        "theater --help",
        "theater ps --json",
        "theater why <TAB>",
    ]
    report.show(figures, facts)
    shown = capsys.readouterr().out
    report.write_json(tmp_path / "figures.json", figures, facts)
    written = json.loads((tmp_path / "figures.json").read_text())
    assert len(written["figures"]) == len(figures)
    for figure in written["figures"]:
        assert figure["name"] in shown
        assert all(each["samples"] for each in figure["rounds"])
    assert written["machine"]["versions"]["wasmtime"]


def test_only_the_figures_asked_for_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    began_s = time.monotonic()
    figures, facts = measure(["sync"], TINY, tmp_path, tell=False)
    assert [figure.name for figure in figures] == ["fdatasync"]
    assert facts["took_s"] <= time.monotonic() - began_s


def test_a_ratio_is_made_within_each_round() -> None:
    # The second round saw a machine half as fast: the ratio does not care, the medians do.
    rounds = [Round([4.0, 4.0, 4.0], [2.0]), Round([8.0, 8.0, 8.0], [4.0])]
    figure = Figure("f", "ms", "how", rounds, "floor", Bar("≤ 2 x floor", 2.0, at_most=True))
    assert figure.ratios() == [2.0, 2.0]
    assert figure.met() is True
    assert report.spread(figure.samples())[1] == 6.0


def test_a_bar_can_be_a_floor_or_a_ceiling() -> None:
    rate = Figure(
        "f", "1/s", "how", [Round([1.0], [10.0])], "floor", Bar("≥ 0.2 x", 0.2, at_most=False)
    )
    assert rate.met() is False
    size = Figure(
        "f", "MB", "how", [Round([4.0], [1.0])], "floor", Bar("≤ 5", 5.0, True, of_ratio=False)
    )
    assert size.met() is True


def test_the_ends_of_a_distribution_are_samples_of_it() -> None:
    shown = report.tails([float(n) for n in range(200, 0, -1)])
    assert shown == {"n": 200, "min": 1, "median": 100.5, "p90": 180, "p99": 198, "max": 200}
    assert list(report.tails([3.0]).values()) == [1, 3.0, 3.0, 3.0, 3.0, 3.0]


def test_numbers_show_three_figures_and_no_exponent() -> None:
    assert [report.number(n) for n in (53210.4, 123.4, 12.34, 1.234, 0.012)] == [
        "53,210",
        "123",
        "12.3",
        "1.23",
        "0.01",
    ]
