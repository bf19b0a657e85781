"""The comparison with other engines: ours does the same job as the plain program, and what differs is told."""

import sys
from pathlib import Path

from tools.peers.compare import Engine, Row, cost, engines, results, table, verdict
from tools.peers.traffic import make


def test_ours_and_the_plain_program_come_to_the_same(tmp_path: Path) -> None:
    make(tmp_path / "data", 2_000)
    plain, ours, *_ = engines(tmp_path)
    here = Engine(plain.name, lambda data, out: [sys.executable, *plain.command(data, out)[1:]])

    for engine in (here, ours):
        assert cost(engine, tmp_path / "data", tmp_path / engine.name.split(",")[0]) > 0

    reference, found = (results(engine, tmp_path / engine.name.split(",")[0]) for engine in (here, ours))
    assert len(reference[0]) > 1_700
    assert {name for name, _, _ in reference[1]} >= {
        "user_hourly",
        "user_daily",
        "item_hourly",
        "system_5m",
        "jurisdiction_daily",
    }
    assert verdict(reference, found, has_windows=True) == "same records, same groups"


def test_what_differs_is_told_with_how_many() -> None:
    reference = ({"a": {"x": 1}, "b": {"x": 2}}, {("w", 0, "k"): {"count": 1}})

    assert verdict(reference, ({"a": {"x": 1}}, {}), has_windows=True) == "1 of 2 records differ, 1 of 1 groups differ"
    assert verdict(reference, (reference[0], {}), has_windows=False) == "same records"


def test_a_table_has_medians_without_the_start_and_the_ratio_to_the_first_row() -> None:
    rows = [Row("plain", 0.0, [1.0, 1.0, 1.0], "same"), Row("other", 1.0, [9.0, 2.0, 3.0], "same")]

    assert table(rows, 1_000_000).splitlines()[2:] == [
        "| plain | 1.0 | 1.00 | 1.0 to 1.0 | 0.0 | same |",
        "| other | 2.0 | 2.00 | 1.0 to 8.0 | 1.0 | same |",
    ]
