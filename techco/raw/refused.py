"""What refused records mean for a source, a period and its sales."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from techco.display.warnings import is_much
from techco.display.wording import span
from techco.errors import RawFileError
from techco.raw.judge import Judged
from techco.redact import Pii, mask_record
from techco.storage.base import RawFile
from techco.tables.days import count_per_day

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from techco.period import Period

EXAMPLE_CHARS = 200


def periods_of_nothing(logs: Judged) -> list[Period]:
    """Return the periods of which there are logs, but none that is accepted.

    A refused log without a readable day may be of any period; it counts where the files have nothing of another one.
    """
    doubtful = {
        period: counts
        for period, counts in zip(logs.periods, logs.per_period, strict=True)
        if counts.quarantined and not counts.accepted
    }
    if not doubtful:
        return []
    days = {day for day in count_per_day(logs.refused) if day}
    return [
        period for period, counts in doubtful.items() if not counts.outside_period or any(day in period for day in days)
    ]


def nothing_accepted(judged: Judged, files: Sequence[RawFile], pii: Pii) -> RawFileError:
    """Return the error for a source, or its first period, of which nothing is accepted: why, how often and where."""
    counts, refused, of_period = judged.counts, judged.refused, ""
    if judged.periods:
        counts, period, day = judged.per_period[0], judged.periods[0], F.col("event_date")
        refused = refused.where(day.isNull() | day.between(F.lit(period.first), F.lit(period.last)))
        of_period = f" of {span(period.first, period.last)}"
    reasons = sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
    listed = "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
    raw = refused.where(F.col("reason") == reasons[0][0]).agg(F.min(F.substring("raw", 1, 4 * EXAMPLE_CHARS)))
    example = raw.collect()[0][0]
    text = example if pii == "show" else mask_record(counts.source, example)
    names = ", ".join(file.name for file in files[:3])
    return RawFileError(
        f"Nothing{of_period} in {names} is accepted as {counts.source.replace('_', ' ')}, so no table was changed. "
        f"Refused: {listed}. Mend the records, and run again. For instance: {text[:EXAMPLE_CHARS]}"
    )


def add_refused_sales(logs: Judged, products: DataFrame) -> None:
    """Note in the counts of the web logs what refused purchases would have sold, where it is much that was refused.

    A quantity that is missing or unreadable counts as one, and one below that as none: the sum is a lower bound.
    """
    if not any(is_much(counts.quarantined, counts.judged) for counts in (logs.counts, *logs.per_period)):
        return
    quantity = F.when(F.col("quantity").isNull(), 1).otherwise(F.greatest(F.col("quantity"), F.lit(0)))
    purchases = logs.refused.where("action = 'purchase'").join(products, "product_id")
    sums = purchases.groupBy("event_date").agg(F.sum(F.col("price") * quantity)).collect()
    for period, counts in zip(logs.periods, logs.per_period, strict=True):
        sales = (sales for day, sales in sums if sales is not None and (day is None or day in period))
        counts.refused_sales = str(sum(sales, Decimal(0)))
