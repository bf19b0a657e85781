"""What is wrong with topics, said at the rules that name them.

In: what a look at brokers and topics reports, and the ruleset. Out: findings, at the first route to each topic.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from engine.egress.kafka_options import producer_config
from engine.egress.kafka_start import topics_of
from engine.egress.kafka_topics import TopicReport, Topics
from engine.rules.diagnostics import Finding, Findings
from engine.rules.model import Ruleset
from engine.rules.places import Span
from engine.rules.plan import Plan
from engine.settings import Settings

IN_SETTINGS: Final = Span("settings", 0, 0, 0, 0)


def findings_of(report: TopicReport, ruleset: Ruleset, otherwise: Span = IN_SETTINGS) -> list[Finding]:
    """A finding for each problem; what is about no route, as brokers that do not answer, stands at `otherwise`."""
    findings = Findings()
    for topic, problem in report.problems:
        routes = [route.span for route in ruleset.routes.values() if route.topic == topic]
        findings.add("E702" if topic is None else "E701", problem, routes[0] if routes else otherwise)
    return findings.in_order()


class NewTopics:
    """Asks about the topics of routes that the rules in service do not have; see Objections.

    Where there are none, nobody is asked, so that rules can be changed while the brokers are away. Raises SettingsInvalid, when it
    is made, for settings that no client can be made of.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        config, max_event_bytes = producer_config(settings.kafka), settings.http.max_event_bytes
        self._topics = {make: Topics(config, settings.kafka, max_event_bytes, make=make) for make in (False, True)}

    async def __call__(self, before: Plan, plan: Plan, *, make: bool) -> Sequence[Finding]:
        """See Objections; takes as long as `kafka.start_timeout` allows where no broker answers."""
        known, ruleset = topics_of(self._settings, before.ruleset), plan.ruleset
        new = [route for route in ruleset.routes.values() if route.topic not in known]
        if not new:
            return ()
        report = await asyncio.to_thread(self._topics[make].check, [route.topic for route in new])
        return findings_of(report, ruleset, new[0].span)
