"""Records on their way to Kafka, from the first one to the end, on the event loop.

In: records, a send at a time. Out: for each send its refusals, once every record of it is on its topic or refused for good. Rule of the file:
records go to the producer in the order they came in; what it has no room for, and what the broker may take later, waits here in that order.
A producer that has got anything out is never replaced; one that the broker gives no identity has got nothing out, and its records go to another.

The loop itself polls the producer: often while reports are awaited, once a second where there are none. A thread that polls has to win
Python's lock for every report, which beside a busy loop takes 0.3 ms a record; here it takes 1 µs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from engine.egress.kafka_errors import LATER, NO_IDENTITY, REFUSED, UNREACHABLE, words
from engine.egress.kafka_pieces import Piece, Send, cut
from engine.event import Record, Refusal

_log = logging.getLogger(__name__)
_client_log = _log.getChild("client")
# What a producer fails of for good is told here, in other words.
_client_log.addFilter(lambda line: line.levelno < logging.CRITICAL)

MAX_RECORDS: Final = 50_000
MAX_BYTES: Final = 128 << 20
"""What the producer holds at most; more waits until there is room."""

_SHORTEST_S: Final = 0.001
_LONGEST_S: Final = 0.02
_IDLE_S: Final = 1.0
_MEND_S: Final = 1.0
_LONGEST_REST_S: Final = 10.0
"""How long it rests at most before another producer asks for an identity; the rests double from `_MEND_S` on."""

_SILENCE_S: Final = 5.0
"""Records that were not acknowledged for so long are told of as a problem."""

Look = Callable[[Producer, Sequence[str]], str | None]
"""Says what is wrong with the broker and with topics; it may mend what it finds. It blocks, so it is called in a thread."""


class KafkaLine:
    """A producer at a time, and what waits for it. Made in a running loop; it ends with `end`, and only so."""

    def __init__(self, config: Mapping[str, object], look: Look) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._producers = count()
        self._producer = self._new_producer()
        self._look = look
        self._numbers = count()
        self._queue: deque[Piece] = deque()
        self._again: list[Piece] = []
        self._out: set[Piece] = set()
        self._out_records = self._out_bytes = 0
        self._heard_s = self._loop.time()
        self._has_delivered = self._nameless = False
        self._rest_s = _MEND_S
        self._fatal: str | None = None
        self._trouble: str | None = None
        self._detail = ""
        self._blocked: set[str] = set()
        self._mending: asyncio.Task[None] | None = None
        self._ended = False
        self._timer = self._loop.call_later(_IDLE_S, self._tick)

    @property
    def problem(self) -> str | None:
        """What keeps records from being delivered, None where nothing is known to."""
        silent_s = self._loop.time() - self._heard_s
        if self._fatal or self._trouble:
            return self._fatal or self._trouble
        return f"Kafka has acknowledged nothing for {silent_s:.0f} s" if self._out and silent_s >= _SILENCE_S else None

    def send(self, records: Sequence[Record]) -> "asyncio.Future[list[Refusal]]":
        """See Egress."""
        send = Send(self._loop.create_future())
        pieces = [Piece((next(self._numbers),), send, run) for run in cut(records)]
        if not pieces:
            send.future.set_result([])
        elif self._fatal:
            send.fail(self._fatal)
        else:
            self._queue.extend(pieces)
            self._hand_over()
        return asyncio.shield(send.future)  # whoever gives up waiting takes no record back

    async def delivered(self) -> None:
        """Return when nothing is waited for any more."""
        while pieces := self._pieces():
            await asyncio.wait({piece.send.future for piece in pieces})

    async def end(self, why: str) -> None:
        """Give up what is not out; whoever waits for it is told EgressUnavailable. On return the producer is gone."""
        if self._ended:
            return
        self._ended = True
        self._timer.cancel()
        self._fail(why)
        if self._mending is not None:
            self._mending.cancel()
        await asyncio.to_thread(_destroy, self._producer)

    def _new_producer(self) -> Producer:
        """Another producer; from now on the one before it may say what it likes."""
        self._number = next(self._producers)
        return Producer({**self._config, "error_cb": partial(self._on_error, self._number), "logger": _client_log})

    def _pieces(self) -> list[Piece]:
        return [*self._out, *self._again, *self._queue]

    def _pending(self) -> int:
        return sum([piece.pending for piece in self._out])

    def _fail(self, why: str) -> None:
        """Nothing more comes of this producer."""
        self._fatal = why
        for piece in self._pieces():
            piece.send.fail(why)
        self._queue.clear()
        self._again.clear()
        self._out.clear()

    def _hand_over(self) -> None:
        """Give the producer what it has room for, and see to it that reports are looked for soon."""
        while self._queue and not self._waits() and self._has_room(self._queue[0]):
            piece = self._queue.popleft()
            if not self._out:
                self._heard_s = self._loop.time()
            self._out.add(piece)
            self._out_records += len(piece.records)
            self._out_bytes += piece.size_bytes
            self._produce(piece)
            if not piece.pending:
                self._settle()
        if self._out and not self._ended and self._timer.when() > self._loop.time() + _LONGEST_S:
            self._timer.cancel()
            self._timer = self._loop.call_later(_SHORTEST_S, self._tick)

    def _waits(self) -> bool:
        """Whether what is queued has to wait, for other records, for its topics or for another producer."""
        return bool(self._again or self._blocked or self._nameless)

    def _has_room(self, piece: Piece) -> bool:
        if not self._out:
            return True
        if piece.alone or any(other.alone for other in self._out):
            return False
        return self._out_records + len(piece.records) <= MAX_RECORDS and self._out_bytes + piece.size_bytes <= MAX_BYTES

    def _produce(self, piece: Piece) -> None:
        by_topic: dict[str, list[dict[str, Any]]] = {}
        for topic, key, value, _ in piece.records:
            messages = by_topic.get(topic)
            if messages is None:
                messages = by_topic[topic] = []
            messages.append({"key": key, "value": value})
        for topic, messages in by_topic.items():
            try:
                taken = self._producer.produce_batch(topic, messages, on_delivery=piece.report)
            except KafkaException as error:  # the name is none that a topic can have
                for message in messages:
                    piece.not_taken(topic, message, error.args[0])
            else:
                for message in messages if taken < len(messages) else ():
                    if "_error" in message:
                        piece.not_taken(topic, message, message["_error"])

    def _tick(self) -> None:
        """Serve what the producer has to report, and come again: soon while it reports, seldom where there is nothing to report."""
        waiting = self._pending()
        self._poll()
        if self._pending() < waiting:  # else it told of connections alone
            self._heard_s = self._loop.time()
            self._settle()
        silent_s = self._loop.time() - self._heard_s
        delay_s = min(max(_SHORTEST_S, silent_s / 10), _LONGEST_S) if self._out else _IDLE_S
        self._timer = self._loop.call_later(delay_s, self._tick)
        self._hand_over()

    def _poll(self) -> None:
        try:
            self._producer.poll(0)
        except KafkaException as error:  # it raises what it fails of for good, whether or not it has told of it
            self._fail_for_good(error.args[0])

    def _settle(self) -> None:
        """End the pieces that are reported as a whole. What did not get out waits until all that is out is reported, and then goes first."""
        ended = sorted((piece for piece in self._out if not piece.pending), key=lambda piece: piece.order)
        for piece in ended:
            self._out.discard(piece)
            self._out_records -= len(piece.records)
            self._out_bytes -= piece.size_bytes
            if piece.delivered:
                self._has_delivered = True
                if not self._blocked:
                    self._works()
            self._take_back(piece)
            if self._fatal:
                break
            piece.send.end_piece()
        self._take_turns()

    def _take_turns(self) -> None:
        """What has to be sent again goes first, once nothing is out any more."""
        if self._again and not self._out:
            self._queue.extendleft(sorted(self._again, key=lambda piece: piece.order, reverse=True))
            self._again.clear()

    def _take_back(self, piece: Piece) -> None:
        """Sort what failed into refused, for later, and to be sent in smaller pieces until it shows which record is refused."""
        later: list[Record] = []
        doubtful: list[Record] = []
        failures = list(piece.failures())
        if len(failures) < piece.failed:
            self._give_up(piece, "a report of a failure names no record that was sent, so that any of them may be out or not")
            return
        for record, error, alone in failures:
            if error.code() in LATER:
                later.append(record)
                self._blocked.add(record.topic)
                self._mend(f"topic `{record.topic}`: {words(error)}")
            elif error.code() not in REFUSED:
                self._give_up(piece, f"a record for the topic `{record.topic}` may be out or not: {words(error)}")
                return
            elif alone:
                piece.send.refuse(record, words(error))
            else:
                doubtful.append(record)
        half = (len(doubtful) + 1) // 2
        self._again += [piece.again(n, part, alone=True) for n, part in enumerate((doubtful[:half], doubtful[half:])) if part]
        if later:
            self._again.append(piece.again(2, later, alone=False))

    def _give_up(self, piece: Piece, why: str) -> None:
        """Nothing more can be known of a piece that is no longer among those that are out, nor of these."""
        piece.send.fail(why)
        self._fail(why)

    def _on_error(self, number: int, error: KafkaError) -> None:
        """What a producer says of itself and its connections; those that were let go of say it in another thread."""
        if self._ended or number != self._number:
            return
        if error.fatal():
            self._fail_for_good(error)
        elif error.code() in UNREACHABLE:
            self._mend(words(error) + (f": {self._detail}" if self._detail else ""))
        else:
            self._detail = error.str()

    def _fail_for_good(self, error: KafkaError) -> None:
        if self._fatal or self._nameless:
            return
        if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED and self._has_nothing_out():
            self._rest()
        else:
            self._fail(f"the producer has failed for good: {words(error)}")
            _log.error("kafka egress: %s", self._fatal)

    def _has_nothing_out(self) -> bool:
        """Whether no record was ever acknowledged: where an identity was refused besides, none was sent."""
        return not self._has_delivered and not any(piece.acknowledged for piece in self._out)

    def _rest(self) -> None:
        """The broker gives the producer no identity: its records wait for another producer."""
        self._nameless = True
        for piece in self._out:
            self._again.append(piece.again(0, piece.records, alone=piece.alone))
            piece.send.end_piece()
        self._out.clear()
        self._out_records = self._out_bytes = 0
        self._take_turns()
        self._mend(NO_IDENTITY)

    async def _begin_anew(self) -> None:
        """Rest, and have another producer ask for an identity. The rests double until records get out or nothing is wrong."""
        await asyncio.sleep(self._rest_s)
        self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        old, self._producer = self._producer, self._new_producer()
        self._nameless = False
        self._hand_over()
        await asyncio.to_thread(_destroy, old)

    def _mend(self, what: str) -> None:
        if self._trouble is None:
            _log.error("kafka egress: %s; trying again until it works", what)
        self._trouble = what
        if self._mending is None and not self._ended:
            self._mending = self._loop.create_task(self._look_on(), name="kafka egress")

    async def _look_on(self) -> None:
        """Look again and again until nothing is wrong; then what waits goes on."""
        while self._trouble is not None or self._blocked:
            if self._nameless:
                await self._begin_anew()
            await asyncio.sleep(_MEND_S)
            topics = sorted(self._blocked)
            wrong = await asyncio.to_thread(self._look, self._producer, topics)
            self._poll()
            if self._nameless:
                continue
            if wrong is None:
                self._blocked.difference_update(topics)
                self._works()
            else:
                self._trouble = wrong
        self._mending = None
        self._hand_over()

    def _works(self) -> None:
        if self._trouble is not None:
            _log.warning("kafka egress: works again")
        self._trouble, self._detail, self._rest_s = None, "", _MEND_S


def _destroy(producer: Producer) -> None:
    producer.purge()
    try:
        producer.close()
    except KafkaException:  # what it failed of for good, which it had not told before; told, it closes
        producer.close()
