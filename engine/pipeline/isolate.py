"""A bug is caught once per batch, isolates its event, and is counted."""

from collections.abc import Callable, Sequence

from engine.event import Event
from engine.rules.first_error import FirstError


def isolated(stage: Callable[[Sequence[Event]], None], events: Sequence[Event], report: FirstError) -> list[tuple[Event, str]]:
    """Run a stage over a batch; where it raises, over each event alone. Returns the events it failed for, and why.

    The stage must come to the same end when it is run twice over an event. `report` hears of each failure.
    """
    try:
        stage(events)
    except Exception:  # noqa: BLE001 - whatever a rule's code raises must cost one event, not its batch
        return [failure for event in events if (failure := _alone(stage, event, report)) is not None]
    return []


def _alone(stage: Callable[[Sequence[Event]], None], event: Event, report: FirstError) -> tuple[Event, str] | None:
    try:
        stage((event,))
    except Exception as error:  # noqa: BLE001 - see above
        report(error)
        return event, f"{type(error).__name__}: {error}"
    return None
