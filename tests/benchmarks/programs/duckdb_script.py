"""The work of duckdb_notebook.ipynb without plots: python duckdb_script.py STORAGE OUT FIRST_DAY LAST_DAY."""

import json
import sys
from pathlib import Path

import duckdb

storage, out, start_date, end_date = sys.argv[1:]

logs = duckdb.read_json(
    f"{storage}/web_logs.json",
    format="array",
    columns={
        "log_id": "BIGINT",
        "timestamp": "TIMESTAMP",
        "customer_id": "VARCHAR",
        "product_id": "VARCHAR",
        "action": "VARCHAR",
        "quantity": "INTEGER",
    },
)
customers = duckdb.read_csv(f"{storage}/customer_data.csv", dtype={"phone": "VARCHAR"})
products = duckdb.read_csv(f"{storage}/product_data.csv", dtype={"price": "DECIMAL(12,2)"})

# One thread reads an array; into a table, so that all of them join and write.
duckdb.sql(f"""
    CREATE OR REPLACE TABLE period AS
    SELECT * REPLACE (CAST(replace(product_id, 'PROD', '') AS BIGINT) AS product_id)
    FROM logs
    WHERE timestamp >= DATE '{start_date}' AND timestamp < DATE '{end_date}' + INTERVAL 1 DAY
""")
joined = duckdb.sql("""
    SELECT *, CASE WHEN action = 'purchase' THEN price * quantity END AS sales
    FROM period LEFT JOIN customers USING (customer_id) LEFT JOIN products USING (product_id)
""")
joined.write_parquet(f"{out}/full_data.parquet")
full_data = duckdb.read_parquet(f"{out}/full_data.parquet")

actions = duckdb.sql("SELECT action, count(*) AS count FROM full_data GROUP BY action ORDER BY count DESC").fetchall()
unique_customers = duckdb.sql("""
    SELECT 'all' AS action, count(DISTINCT customer_id) AS customers FROM full_data
    UNION ALL
    (SELECT action, count(DISTINCT customer_id) AS customers FROM full_data GROUP BY action ORDER BY customers DESC)
""").fetchall()
categories = duckdb.sql("""
    SELECT category, sum(sales) AS sales FROM full_data WHERE sales IS NOT NULL GROUP BY category ORDER BY sales DESC
""").fetchall()
days = duckdb.sql("""
    SELECT CAST(timestamp AS DATE) AS day, coalesce(sum(sales), 0) AS sales FROM full_data GROUP BY day ORDER BY day
""").fetchall()
by_product = duckdb.sql("""
    SELECT product_id, product_name, category, sum(quantity) AS quantity, sum(sales) AS sales
    FROM full_data WHERE sales IS NOT NULL
    GROUP BY product_id, product_name, category ORDER BY sales DESC LIMIT 1000
""").fetchall()
spend = duckdb.sql("""
    SELECT customer_id, first_name, last_name, count(*) AS purchases, sum(sales) AS sales
    FROM full_data WHERE sales IS NOT NULL
    GROUP BY customer_id, first_name, last_name ORDER BY sales DESC LIMIT 1000
""").fetchall()

answers = {
    "total_sales": str(sum(sales for _, sales in days)),
    "unique_customers": unique_customers[0][1],
    "actions": dict(actions),
    "sales_by_category": {category: str(sales) for category, sales in categories},
}
Path(out, "answers.json").write_text(json.dumps(answers))
