import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.bench.generator import quantile, sums
from engine.bench.open_loop import Answer, LoadFailed, OpenLoop
from engine.testing import ManualClock

_REQUEST = b"POST /events HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"
_ANSWERED_AFTER_MS = 1_000


@contextmanager
def slow_service(clock: ManualClock, answer: bytes = _ANSWER) -> Iterator[int]:
    """Answers each request of one connection a second after it came; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            stream, _ = listening.accept()
            with stream:
                while stream.recv(65_536):
                    clock.advance(_ANSWERED_AFTER_MS)
                    stream.sendall(answer)
                    if not answer:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()


def test_a_request_that_waits_for_the_ones_before_it_counts_from_when_it_was_due() -> None:
    clock = ManualClock(0)
    with slow_service(clock) as port, OpenLoop("127.0.0.1", port, 1, lambda: clock.monotonic_ms() / 1000) as loop:
        answers = loop.run([_REQUEST] * 4, every_s=0.1)

    assert [answer.latency_s for answer in answers] == pytest.approx([1.0, 1.9, 2.8, 3.7])
    assert [answer.answered_s for answer in answers] == pytest.approx([1.0, 2.0, 3.0, 4.0])


def test_a_service_that_hangs_up_is_told_of() -> None:
    clock = ManualClock(0)
    with (
        slow_service(clock, b"") as port,
        OpenLoop("127.0.0.1", port, 1) as loop,
        pytest.raises(LoadFailed, match="closed a con"),
    ):
        loop.run([_REQUEST], every_s=0.1)


def test_an_answer_in_pieces_is_one_answer() -> None:
    clock = ManualClock(0)
    body = b"x" * 500_000
    whole = b"HTTP/1.1 207 Multi-Status\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with slow_service(clock, whole) as port, OpenLoop("127.0.0.1", port, 1) as loop:
        (answer,) = loop.run([_REQUEST], every_s=0.1)

    assert (answer.status, answer.body) == (207, body)


def test_what_was_refused_as_a_whole_is_no_event() -> None:
    told = b'{"accepted":2,"duplicate":0,"blocked":1,"rejected":0,"retry":0,"results":[]}'
    answers = [Answer(0.010, 0.5, 202, told), Answer(0.030, 1.5, 429, b'{"code":"inbox_full"}')]

    found = sums(answers, offered_s=1.0, busy_s=0.3)

    assert (found["events"], found["outcomes"], found["refused"]) == (3, {"accepted": 2, "blocked": 1}, 1)
    assert (found["seconds"], found["behind_s"], found["generator_busy"]) == (1.5, 0.5, pytest.approx(0.2))
    assert (found["p50_ms"], found["p99_ms"]) == (pytest.approx(10), pytest.approx(30))


def test_a_quantile_is_a_value_that_was_measured() -> None:
    hundred = [float(number) for number in range(1, 101)]

    assert [quantile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([7.0], 0.99) == 7
