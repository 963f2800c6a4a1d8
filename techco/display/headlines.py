"""State each finding in a headline, and in a sentence what the headline leaves out.

A headline begins with a capital letter, unless a name of the shop comes first, which stays as it is (`eBooks`), and has
no full stop. The sentence never repeats it; it is empty where nothing more is to say. Every number of a finding is
exact in one of the two. Names come as they shall be read.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from techco.display.wording import (
    actions,
    amount,
    average,
    day,
    fraction,
    listed,
    plural,
    ratio_in_words,
    sentence_case,
    share,
    total,
)


class Statement(NamedTuple):
    """A finding in words: the headline, and a sentence for what it leaves out."""

    headline: str
    sentence: str = ""


Amounts = Sequence[tuple[str, Decimal]]

_NAMELESS = "products without a category"

NO_LOGS = Statement("There are no logs in this period")
NO_SALES = Statement("There are no purchases of known products in this period")
NO_BUYERS = Statement("Nobody bought a known product in this period")
NO_CUSTOMERS = Statement("No customer known by number was active in this period")


def action_frequency(counts: dict[str | None, int]) -> Statement:
    """State which action is the most frequent, and how many are purchases; `counts` are above zero."""
    logs, most = sum(counts.values()), max(counts.values())
    leaders = [action for action, count in counts.items() if count == most]
    if logs == 1:
        return Statement(f"One {actions(leaders[0], 1)} is the only action")
    if len(counts) == 1:
        return Statement(f"All {logs:,} actions are {actions(leaders[0])}")
    names = listed([actions(action) for action in leaders])
    tail = "" if "purchase" in leaders else _purchase_share_clause(counts.get("purchase", 0), logs)
    if len(leaders) > 1:
        lead = "equally frequent" if len(leaders) == len(counts) else "the most frequent actions"
        sentence = f"Each accounts for {most:,} of {logs:,} actions ({share(most, logs)}){tail}."
        return Statement(f"{sentence_case(names)} are {lead}", sentence)
    part, exact = _share_in_words(most, logs)
    lead = f"{part} of all actions" if 2 * most >= logs else f"the most frequent action, {part} of all"
    return Statement(f"{sentence_case(names)} are {lead}", f"{most:,} of {logs:,} actions{exact} are {names}{tail}.")


def _purchase_share_clause(purchases: int, logs: int) -> str:
    """Return the share of purchases as the end of a sentence."""
    if not purchases:
        return "; none is a purchase"
    if 3 * purchases > logs:
        return f"; {share(purchases, logs)} are purchases"
    return f"; {ratio_in_words(purchases, logs)} is a purchase"


def unique_customers(customers: int, buyers: int) -> Statement:
    """State how many of the active customers bought; `customers`, all of them, is above zero."""
    if customers == 1:
        return Statement(f"The only active customer bought {'something' if buyers else 'nothing'}")
    active = f"{customers:,} different customers were active"
    if buyers == customers:
        return Statement("Every active customer bought something", f"{active}.")
    if not buyers:
        return Statement("None of the active customers bought anything", f"{active}.")
    part, exact = _share_in_words(buyers, customers)
    headline = f"{sentence_case(part)} of the active customers" if exact else f"Of the active customers, {part}"
    return Statement(f"{headline} bought something", f"{active}; {buyers:,} of them{exact} bought.")


def sales_by_category(earned: Amounts, nameless: str) -> Statement:
    """State which category earned the most, and which comes next.

    Parameters
    ----------
    earned
        Name and sales of each category, at least one.
    nameless
        The name that stands for products without a category.
    """
    earned = [(_NAMELESS if name == nameless else name, sales) for name, sales in earned]
    whole, (best, most) = total(sales for _, sales in earned), _highest(earned)
    if not most:
        return Statement("No category earned anything in this period")
    if most == whole:
        return Statement(f"All sales come from {best[0]}", f"Total sales are {amount(whole)}.")
    part, exact = _share_in_words(most, whole)
    subject, many = listed(best), len(best) > 1
    if best[0] == _NAMELESS:
        subject = sentence_case(subject)
    verb = "bring" if many or best == [_NAMELESS] else "brings"
    # A large share says by itself that no other is larger.
    lead = "" if 4 * most >= whole and (not many or len(best) == len(earned)) else "the most, "
    return Statement(
        f"{subject} {verb} {lead}{part} of the sales{' each' if many else ''}",
        f"{'Each' if many else subject} earned {amount(most)} of {amount(whole)}{exact}"
        f"{_runner_up_clause(earned, most, whole)}.",
    )


def _runner_up_clause(earned: Amounts, most: Decimal, whole: Decimal) -> str:
    """Return who comes after the best, as the end of a sentence; empty if nobody else earned anything."""
    others, sales = _highest([(name, sales) for name, sales in earned if sales < most])
    each = "" if len(others) == 1 else " each"
    return f", followed by {listed(others)} with {amount(sales)}{each} ({share(sales, whole)})" if sales else ""


def sales_by_day(points: Sequence[tuple[datetime.date, Decimal]]) -> Statement:
    """State what all days earned together, and which one the most; `points` are the days with logs, at least one."""
    whole, most = total(sales for _, sales in points), max(sales for _, sales in points)
    best = [date for date, sales in points if sales == most]
    logged = plural(len(points), "day") + " with logs"
    if not whole:
        return Statement("Nothing was earned in this period", f"Total sales are 0.00 on {logged}.")
    headline = f"Total sales are {amount(whole)}"
    if len(points) == 1:
        return Statement(headline, f"All of this was earned on {day(best[0])}, the only day with logs.")
    if len(best) == len(points):
        return Statement(headline, f"Each of {logged} earned the same {amount(most)}.")
    return Statement(
        headline, f"{_best_days_clause(best, most, whole)}; the average of {logged} is {average(whole, len(points))}."
    )


def _best_days_clause(best: Sequence[datetime.date], most: Decimal, whole: Decimal) -> str:
    if most == whole:
        return f"All of this was earned on {day(best[0])}"
    if len(best) == 1:
        return f"The best day was {day(best[0])}, with {amount(most)}"
    if len(best) == 2:
        return f"The best days were {day(best[0])} and {day(best[1])}, with {amount(most)} each"
    return f"{len(best):,} days tie for the best with {amount(most)} each"


def sales_by_product(earned: Amounts, whole: Decimal, *, is_truncated: bool) -> Statement:
    """State which product earned the most, and what the ten best earned together.

    Parameters
    ----------
    earned
        Name and sales of each product, at least one.
    whole
        Sales of all products.
    is_truncated
        Whether there are products with lower or equal sales beyond these.
    """
    best, most = _highest(earned)
    if not most:
        return Statement("No product earned anything in this period")
    if most == whole:
        return Statement(f"All sales come from {best[0]}", f"Total sales are {amount(whole)}.")
    part, exact = _share_in_words(most, whole)
    ten = total(sorted((sales for _, sales in earned), reverse=True)[:10])
    tail = f"; the ten best products earned {share(ten, whole)} together" if len(earned) > 20 else ""
    if len(best) == 1:
        headline = f"The best seller is {best[0]}, with {part} of the sales"
        return Statement(headline, f"It earned {amount(most)} of {amount(whole)}{exact}{tail}.")
    names = listed(best, at_least=is_truncated and len(best) == len(earned))
    headline = f"The best sellers are {names}, with {part} of the sales each"
    return Statement(headline, f"Each earned {amount(most)} of {amount(whole)}{exact}{tail}.")


def spend_by_customer(spent: Amounts, known_sales: Decimal, customers: int, anonymous: Decimal | None) -> Statement:
    """State what a customer spends on average, and who spends the most.

    Parameters
    ----------
    spent
        Name, or `customer 7`, and spending of the customers that spend the most.
    known_sales
        Spending of all customers known by number.
    customers
        How many these are.
    anonymous
        Spending of visitors without a customer number; null if none of them bought.
    """
    if not spent:
        headline = "Only visitors without a customer number bought something"
        return Statement(headline, f"They spent {amount(anonymous or Decimal(0))}.")
    statement = _spending_by_number(spent, known_sales, customers, " known by number" if anonymous is not None else "")
    if not anonymous:
        return statement
    visitors = f"Visitors without a customer number spent {amount(anonymous)}."
    return Statement(statement.headline, f"{statement.sentence} {visitors}")


def _spending_by_number(spent: Amounts, known_sales: Decimal, customers: int, by_number: str) -> Statement:
    best, most = _highest(spent)
    bought = f"{plural(customers, 'customer')}{by_number} bought"
    if not most:
        return Statement(f"No customer{by_number} spent anything", f"{bought}, but nothing with a price above zero.")
    if customers == 1:
        subject = sentence_case(best[0]) if best[0].removeprefix("customer ").isdigit() else best[0]
        return Statement(f"{subject} spent {amount(known_sales)}", f"No other customer{by_number} bought anything.")
    if Fraction(known_sales) == customers * Fraction(most):
        return Statement(f"Every customer{by_number} spent the same, {amount(most)}", f"{bought} something.")
    names = listed(best, at_least=len(best) == len(spent) < customers)
    return Statement(
        f"A customer spends {average(known_sales, customers)} on average",
        f"{bought} something; {names} spent the most, {amount(most)}{' each' if len(best) > 1 else ''}.",
    )


def _highest(earned: Amounts) -> tuple[list[str], Decimal]:
    """Return who has the highest amount, and that amount; without anybody, nobody and zero."""
    most = max((sales for _, sales in earned), default=Decimal(0))
    return [name for name, sales in earned if sales == most], most


def _share_in_words(part: int | Decimal, whole: int | Decimal) -> tuple[str, str]:
    """Return a share in words, and the number in parentheses that the words leave out, if they do."""
    words, exact = fraction(part, whole), share(part, whole)
    return words, "" if words == exact else f" ({exact})"
