"""Those who look at events as the filters first see them, and again when the filters are through.

In: a plan. Out: the same plan, watched. Rule of the file: without onlookers it costs one comparison a batch; an onlooker changes nothing of an event, and
what it raises is its own business: it is logged once and costs no event anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.event import Event, FilterCounts
from engine.rules.first_error import FirstError
from engine.rules.plan import Plan

After = Callable[[], None]
Look = Callable[[Plan, Sequence[Event]], After | None]
"""Called with a batch before its filters; what it returns is called after them."""


class Onlookers:
    """Who looks on, of one processor."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._report = FirstError("onlookers")

    def join(self, look: Look) -> None:
        """Have somebody look from the next batch on."""
        self._looks.append(look)

    def around(self, plan: Plan) -> Plan:
        """The plan, with its filters watched."""
        looks, run = self._looks, plan.filter

        def watched(events: Sequence[Event], counts: FilterCounts) -> None:
            if not looks:
                run(events, counts)
                return
            afters = self._before(plan, events)
            run(events, counts)
            for after in afters:
                self._finish(after)

        return replace(plan, filter=watched)

    def _before(self, plan: Plan, events: Sequence[Event]) -> list[After]:
        afters: list[After] = []
        for look in self._looks:
            try:
                after = look(plan, events)
            except Exception as error:  # noqa: BLE001 - whoever only looks on must not cost an event anything
                self._report(error)
                continue
            if after is not None:
                afters.append(after)
        return afters

    def _finish(self, after: After) -> None:
        try:
            after()
        except Exception as error:  # noqa: BLE001 - as above
            self._report(error)
