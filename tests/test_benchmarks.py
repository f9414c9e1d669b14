"""The benchmark harness runs and gives every figure; no time is asserted."""

from __future__ import annotations

from pathlib import Path

from benchmarks import figures, floors


def test_each_figure_is_measured_on_a_real_system(tmp_path: Path) -> None:
    assert len(figures.spawn_to_ready(tmp_path, "process", 2)) == 2
    for number, measured in enumerate(
        (figures.one_way_rates, figures.actor_round_trips, figures.client_round_trips)
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        assert min(measured(directory, "process", 200)) > 0
    directory = tmp_path / "memory"
    directory.mkdir()
    assert min(figures.idle_memory(directory, 2)) > 100_000


def test_each_floor_is_measured(tmp_path: Path) -> None:
    assert len(floors.fork_samples(figures.COMPONENTS / "minimal.wat", 2)) == 2
    assert floors.router_rate(100, 200) > 0
    assert len(floors.router_round_trips(100, 20)) == 20
    assert min(floors.fsync_samples(tmp_path, 2)) > 0
