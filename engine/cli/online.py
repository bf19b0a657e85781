"""The questions of `rulemill validate --online`: whether what rules and settings name is there and can be used.

In: rules and settings. Out: findings, at the rule that named it where there is one. Rule of the file: nothing is made or changed out there.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from engine.egress.kafka_start import look, topics_of
from engine.rules.compiler import Loaded
from engine.rules.diagnostics import Finding, Findings
from engine.rules.model import Ruleset, Span
from engine.settings import Settings, load_settings


def ask_servers(loaded: Iterable[Loaded], config: Path | None) -> list[Finding]:
    """As `online_findings`, of the servers that a settings file names; where it names none, that is said on standard error."""
    settings = load_settings(config, os.environ)
    if settings.egress != "kafka":
        sys.stderr.write("--online: the settings have no `egress: kafka`, so there is nothing to ask\n")
        return []
    return online_findings(loaded, settings)


def online_findings(loaded: Iterable[Loaded], settings: Settings) -> list[Finding]:
    """What is wrong with the brokers and with each topic that the rules and the settings name. Blocks for as long as the settings allow.

    Raises SettingsInvalid where the settings of Kafka cannot be used at all.
    """
    findings = Findings()
    for ruleset in [one.ruleset for one in loaded if one.ruleset is not None]:
        for topic, problem in look(settings, topics_of(settings, ruleset)).problems:
            findings.add("E702" if topic is None else "E701", problem, _span(topic, ruleset))
    return findings.in_order()


def _span(topic: str | None, ruleset: Ruleset) -> Span:
    """The first route to a topic; the settings where no route leads there."""
    routes = [route.span for route in ruleset.routes.values() if route.topic == topic]
    return routes[0] if routes else Span("settings", 0, 0, 0, 0)
