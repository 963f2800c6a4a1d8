"""The three steps of techco without notebooks: python techco_script.py STORAGE OUT FIRST_DAY LAST_DAY."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

from techco import Period, analysis, open_shop
from techco.ingest import ingest
from techco.join import join

storage, out, start_date, end_date = sys.argv[1:]
shop = open_shop(storage, Period(date.fromisoformat(start_date), date.fromisoformat(end_date)))
ingest(shop)
join(shop)

summary = analysis.summarize(shop)
actions = analysis.action_frequency(shop.full_data).collect()
customers = analysis.unique_customers(shop.full_data).collect()
categories = analysis.sales_by_category(shop.full_data).collect()
days = analysis.sales_by_day(shop.full_data).collect()
products = analysis.sales_by_product(shop.full_data).collect()
spend = analysis.spend_by_customer(shop.full_data).collect()

answers = {
    "total_sales": str(sum(row.sales for row in days)),
    "unique_customers": customers[0].unique_customers,
    "actions": {row.action: row["count"] for row in actions},
    "sales_by_category": {row.category: str(row.sales) for row in categories},
}
Path(out, "answers.json").write_text(json.dumps(answers))
