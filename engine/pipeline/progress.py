"""What is known of the engine's progress from outside the stages: how long events take, and how far event time has come.

In: submissions that were taken, batches that were committed. Out: durations and watermarks. Rule of the file: nothing here costs
anything per event.
"""

from collections.abc import Sequence

from engine.event import Submission
from engine.metrics import Durations
from engine.pipeline.batch import Batch
from engine.ports import Clock


class SubmissionTimes:
    """How long it takes from the moment a submission is taken until its last event has ended; each event counts with its submission's time."""

    def __init__(self, clock: Clock) -> None:
        self.durations = Durations()
        self._clock = clock

    def begin(self, submission: Submission) -> None:
        """Time a submission that was taken just now."""
        started_ns, done = self._clock.monotonic_ns(), submission.done

        def ended(submission: Submission) -> None:
            self.durations.observe((self._clock.monotonic_ns() - started_ns) / 1e9, len(submission.items))
            done(submission)

        submission.done = ended


class CommittedTime:
    """By input, the watermark of its last committed batch.

    An event that is not committed yet and lies before it was late when it came: so a window that ends before it is complete.
    """

    def __init__(self) -> None:
        self.watermarks_ms: dict[str, int] = {}

    def note(self, batches: Sequence[Batch]) -> None:
        """Take in batches that are committed, while they still hold their events."""
        for batch in batches:
            if batch.counted and batch.watermark_ms is not None:
                name = batch.counted[0][0].submission.input
                self.watermarks_ms[name] = max(batch.watermark_ms, self.watermarks_ms.get(name, batch.watermark_ms))
