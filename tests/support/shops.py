"""Small shops that tests write by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from techco.storage.folder import Folder

CUSTOMERS = """customer_id,first_name,last_name,email,phone
CUST1,Ann,Lee,ann@example.com,+1-202-555-0101
CUST2,Bob,Ray,bob@example.com,+1-202-555-0102
"""
PRODUCTS = """product_id,product_name,category,price
1,Lamp,Home,10.10
2,Book,Books,20
"""


def log(log_id: int | str | None, day: str = "2023-08-01", action: str = "view", **values: Any) -> dict[str, Any]:
    """One web log of customer 1 and product 1."""
    return {
        "log_id": log_id,
        "timestamp": f"{day} 10:00:00",
        "customer_id": "CUST1",
        "product_id": "PROD001",
        "action": action,
        "quantity": None if action == "view" else 1,
        **values,
    }


def write_shop(
    storage: Folder, logs: Sequence[Any] | str, customers: str = CUSTOMERS, products: str = PRODUCTS
) -> Folder:
    """Write the three raw files; logs are objects, or the text of the file."""
    storage.path("customer_data.csv").write_text(customers, encoding="utf-8")
    storage.path("product_data.csv").write_text(products, encoding="utf-8")
    text = logs if isinstance(logs, str) else json.dumps(logs, indent=2)
    storage.path("web_logs.json").write_text(text, encoding="utf-8")
    return storage
