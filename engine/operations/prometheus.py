"""Prometheus text, from the table of metrics.

In: a snapshot, and what the scraper accepts. Out: the text and its content type. Rule of the file: nothing is counted here; the figures
are read when somebody asks.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from engine.metrics import Durations
from engine.operations.metric_catalogue import Histogram, Metric, metrics
from engine.operations.snapshot import DurationFigures, Snapshot

_BOUNDS: Final = (*map(floatToGoString, Durations.BOUNDS_S), "+Inf")


def exposition(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """The metrics in the best form that `accept`, a header, names, with its content type: OpenMetrics or Prometheus text."""
    encode, content_type = choose_encoder(accept)
    return encode(_SnapshotCollector(snapshot)), content_type


class _SnapshotCollector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        for metric in metrics():
            yield _histogram(metric, self._snapshot) if isinstance(metric, Histogram) else _plain(metric, self._snapshot)


def _plain(metric: Metric, snapshot: Snapshot) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.read(snapshot).items():
        family.add_metric(labels, value)
    return family


def _histogram(metric: Histogram, snapshot: Snapshot) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, figures in metric.read(snapshot).items():
        family.add_metric(labels, _buckets(figures), figures.total_s)
    return family


def _buckets(figures: DurationFigures) -> list[tuple[str, float]]:
    """As Prometheus has them: each with those below it."""
    return list(zip(_BOUNDS, accumulate(figures.counts), strict=True))
