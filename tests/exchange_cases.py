"""Exchanges of each type with bindings and messages, the same in every run."""

import random

from exchange_player import EXCHANGES

COUNTS = {"direct": 4, "fanout": 2, "topic": 26, "headers": 20}
WORDS = ["a", "a", "b", "", "é"]
PATTERNS = [*WORDS, "*", "*", "#", "#", "a*"]
ROUTING = [*WORDS, "a", "*", "#"]
NAMES = ["a", "b", "x-c", "x-d"]
VALUES = ["", "=", "=t", "=1", "=-1", '="1"', "=true", '="true"', '="1, b=1"', "=t=u"]
MODES = ["all", "any", "all-with-x", "any-with-x"]
# A type, and a binding that the broker takes beside one that it refuses.
REFUSED = [
    ("topic", "#.a.#.##", "#.a.#.#"),
    ("headers", "x-match=all", "x-match=ALL"),
    ("headers", 'x-match="any"', "x-match=1"),
    ("headers", "x-matches", "x-match"),
]


def key(chance, words):
    """Return a key of at most four words; the broker refuses a third `#`."""
    chosen = chance.choices(words, k=chance.randrange(5))
    return ".".join(chosen) if chosen.count("#") < 3 else key(chance, words)


def pairs(chance):
    names = chance.sample(NAMES, k=chance.randrange(4))
    return [name + chance.choice(VALUES) for name in names]


def binding(kind, chance):
    if kind == "headers":
        mode = [f"x-match={chance.choice(MODES)}"] * chance.randrange(2)
        arguments = [*pairs(chance), *mode]
        chance.shuffle(arguments)
        return ", ".join(arguments)
    return key(chance, PATTERNS if kind == "topic" else ["a"])


def message(kind, chance):
    if kind == "headers":
        return ", ".join([*pairs(chance), *["x-match=any"] * (chance.random() < 0.1)])
    return key(chance, ROUTING if kind == "topic" else ["a"])


def generated_cases():
    """Return (type, pairs of queue and binding, messages), first those of the page.

    In every other exchange each binding has a queue of its own; in the rest two share.
    """
    chance = random.Random(4)
    cases = [(kind, e["bindings"], e["messages"]) for kind, e in EXCHANGES.items()]
    for kind, count in COUNTS.items():
        for number in range(count):
            queues = [f"queue-{place % (3 + 3 * (number % 2))}" for place in range(6)]
            bindings = [(queue, binding(kind, chance)) for queue in queues]
            messages = {message(kind, chance): None for _ in range(12)}
            cases.append((kind, bindings, list(messages)))
    return cases


CASES = generated_cases()
