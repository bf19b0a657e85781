"""The alerts as tests read them: rules, and the series that each asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

OF_PROMETHEUS: Final = {"up"}
"""What Prometheus itself says of every place that it asks."""


def alerts(checkout: Path) -> list[dict[str, Any]]:
    """All of `deploy/alerts.yml`."""
    groups = yaml.safe_load((checkout / "deploy" / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def selected(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The series that an expression of Prometheus selects: name, and the labels that it asks about. Raises ValueError for what is none."""
    found: list[tuple[str, set[str]]] = []

    def note(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            found.append((part.name or "", {matcher.name for matcher in part.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), note)
    yield from found
