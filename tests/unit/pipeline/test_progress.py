"""How long submissions take, and how far event time has come in what is committed."""

from collections.abc import Sequence

import pytest

from engine.event import OUTCOME_ACCEPTED, Event, Submission
from engine.pipeline.batch import Batch
from engine.pipeline.progress import CommittedTime, SubmissionTimes
from engine.testing import ManualClock


def submission_of(events: int, input_name: str = "http", done: list[Submission] | None = None) -> Submission:
    ended = [] if done is None else done
    return Submission([b"{}"] * events, input_name=input_name, received_ms=0, size_bytes=2, done=ended.append)


def committed(watermark_ms: int | None, *submissions: Submission) -> Batch:
    """A batch with the first event of each submission."""
    events = [Event({}, None, "t", 0, None, None, 0, 0, submission, 0) for submission in submissions]
    batch = Batch(1, events, watermark_ms, 0)
    batch.count_all()
    return batch


def test_every_event_counts_with_the_time_until_the_last_of_its_submission_has_ended() -> None:
    clock, done = ManualClock(), list[Submission]()
    times = SubmissionTimes(clock)
    submission = submission_of(3, done=done)

    times.begin(submission)
    for index in range(3):
        assert not done
        clock.advance(100)
        submission.settle(index, OUTCOME_ACCEPTED)

    assert done == [submission]
    assert sum(times.durations.counts) == 3
    assert times.durations.total_s == pytest.approx(0.9)
    assert times.durations.quantile_s(0.5) == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize(
    ("batches", "watermarks_ms"),
    [
        ([committed(None, submission_of(1))], {}),
        ([committed(5, submission_of(1)), committed(9, submission_of(1))], {"http": 9}),
        ([committed(9, submission_of(1)), committed(5, submission_of(1))], {"http": 9}),
        ([committed(9, submission_of(1)), committed(5, submission_of(1, "demo"))], {"http": 9, "demo": 5}),
        ([committed(9)], {}),
    ],
)
def test_of_each_input_the_highest_watermark_of_what_is_committed_is_known(
    batches: Sequence[Batch], watermarks_ms: dict[str, int]
) -> None:
    time = CommittedTime()

    time.note(batches)

    assert time.watermarks_ms == watermarks_ms
