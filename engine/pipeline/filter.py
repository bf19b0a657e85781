"""Filters: which events go on, marked, routed and transformed how, and which end here.

In: enriched events. Out: the batch without those that a filter blocks; they wait for their claims to be freed.
"""

from engine.event import FilterCounts
from engine.pipeline.batch import Batch
from engine.rules.plan import Plan


def apply_filters(plan: Plan, batch: Batch, counts: FilterCounts) -> None:
    """Run the plan's filters over the batch."""
    plan.filter(batch.events, counts)
    batch.set_blocked_aside()
    if plan.aggregation_code.late_routes is not None:
        plan.aggregation_code.late_routes(batch.events, batch.watermark_ms)
