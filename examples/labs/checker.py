"""Classify what came of the messages of a lab: lost, duplicated, reordered.

Every lab of the book numbers its messages 0, 1, 2 … in the order in which they were
sent, and hands three lists to `account`. It trusts nothing else: not what a client
reported as an error, and not what a broker says of itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Account:
    """How many messages there were, and what became of them.

    `lost` were confirmed and never delivered. `unconfirmed` were delivered though no
    confirmation came. `duplicated` counts the deliveries beyond a message's first.
    `reordered` counts the messages whose first delivery came after that of a message
    which was sent later.
    """

    sent: int
    confirmed: int
    delivered: int
    lost: int
    unconfirmed: int
    duplicated: int
    reordered: int


def account(
    sent: Iterable[int], confirmed: Iterable[int], delivered: Sequence[int]
) -> Account:
    """Return the account of the messages `sent`.

    `confirmed` are those that the broker acknowledged to the producer, in any order;
    `delivered` is every delivery to a consumer, in the order in which they came. Raises
    ValueError if something was confirmed or delivered that was not sent: then the lab
    is wrong, and not the broker.
    """
    sent, confirmed = set(sent), set(confirmed)
    if strangers := (confirmed | set(delivered)) - sent:
        raise ValueError(f"These were never sent: {sorted(strangers)[:5]}.")
    first = list(dict.fromkeys(delivered))
    latest, reordered = -1, 0
    for number in first:
        reordered += number < latest
        latest = max(latest, number)
    return Account(
        sent=len(sent),
        confirmed=len(confirmed),
        delivered=len(delivered),
        lost=len(confirmed - set(first)),
        unconfirmed=len(set(first) - confirmed),
        duplicated=len(delivered) - len(first),
        reordered=reordered,
    )


@dataclass(frozen=True)
class Outcome:
    """What one run of a lab gave.

    The account, if the lab follows messages; other counts; and how long things took, in
    seconds.
    """

    account: Account | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
