"""What a correct report on a sample shop must show, known while the shop is written and not read back from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

Row = dict[str, str | int | None]
"""One row of a CSV of the report: money as `"12.30"`, days as `YYYY-MM-DD`, unknown as null."""


@dataclass(frozen=True)
class Expected:
    """The figures of a report on the whole period of a sample shop.

    The tables hold one dict per row with the columns of the report's CSV files. Sales, and with them the rows,
    purchases and quantities of the four sales tables, are those of accepted purchases of known products: purchases in
    `spend_by_customer` plus `unknown_product_purchases` are all purchases in `action_frequency` (as long as the
    table is not cut at its 1000 rows).

    Attributes
    ----------
    records
        Web logs: `read` = `accepted` + `duplicates` + `quarantined` + `outside_period`.
    quarantine
        Quarantined web logs by reason; reasons that did not occur are left out.
    sources
        `customers` and `products`, each with `read` = `accepted` + `duplicates` + `quarantined`.
    source_quarantine
        Quarantined customers and products by reason.
    total_sales
        Money with two decimals.
    unique_customers
        Distinct customers of the accepted logs, whether they are among the customers or not; anonymous logs apart.
    action_frequency, unique_customers_by_action
        Most frequent first; in the second the row `all` comes first and an action of anonymous visitors alone has 0.
    sales_by_category, sales_by_product, spend_by_customer
        Highest sales first, then by name or id. The last two hold the first 1000 rows. A product without category has
        category null, an anonymous purchase customer_id null.
    sales_by_day
        Every day with accepted logs, in order; 0.00 where nothing was sold.
    unknown_product_logs, unknown_product_purchases, unknown_customer_logs
        Accepted logs that name a product or customer which is not in its table; null is not unknown.
    """

    records: dict[str, int]
    quarantine: dict[str, int]
    sources: dict[str, dict[str, int]]
    source_quarantine: dict[str, dict[str, int]]
    total_sales: str
    unique_customers: int
    action_frequency: list[Row]
    unique_customers_by_action: list[Row]
    sales_by_category: list[Row]
    sales_by_day: list[Row]
    sales_by_product: list[Row]
    spend_by_customer: list[Row]
    unknown_product_logs: int
    unknown_product_purchases: int
    unknown_customer_logs: int

    def to_json(self) -> str:
        """Return everything as one JSON object, indented."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)
