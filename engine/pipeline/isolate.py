"""A bug is caught once per batch, isolates its event, and is counted."""

import logging
from collections.abc import Callable, Sequence

from engine.event import Event

_log = logging.getLogger(__name__)


def isolated(stage: Callable[[Sequence[Event]], None], events: Sequence[Event]) -> list[tuple[Event, str]]:
    """Run a stage over a batch; where it raises, over each event alone. Returns the events it failed for, and why.

    The stage must come to the same end when it is run twice over an event.
    """
    try:
        stage(events)
    except Exception:  # noqa: BLE001 - whatever a rule's code raises must cost one event, not its batch
        return [failure for event in events if (failure := _alone(stage, event)) is not None]
    return []


def _alone(stage: Callable[[Sequence[Event]], None], event: Event) -> tuple[Event, str] | None:
    try:
        stage((event,))
    except Exception as error:  # noqa: BLE001 - see above
        _log.warning("a stage failed for one event: %s", type(error).__name__, exc_info=True)
        return event, f"{type(error).__name__}: {error}"
    return None
