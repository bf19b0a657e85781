"""Alerts ask for what a real service shows."""

import re
import shutil
from pathlib import Path

import httpx

from tests.acceptance.processes import ROOT, TIMEOUT_S, Service
from tests.alerts import OF_PROMETHEUS, alerts, selected


def test_every_series_of_an_alert_is_shown_by_a_service_with_the_default_rules(tmp_path: Path) -> None:
    for name in ("rules", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    asked = {name for alert in alerts(ROOT) for name, _ in selected(alert["expr"])}
    with Service(tmp_path, "--demo", RULES_SHADOW="rules") as service:
        text = httpx.get(f"{service.url}/metrics", timeout=TIMEOUT_S).text

    assert asked - set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE)) == OF_PROMETHEUS
