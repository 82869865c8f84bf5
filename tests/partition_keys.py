"""Keys of many kinds, the same in every run."""

import random

# Neither has a comma or a blank, which separate the keys that a reader types.
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:;/<>&'",
    "äßéñçøłžαβγжщ中文字日本한글€→🙂🚚",
]
LENGTHS = [*range(1, 27), 100, 999]


def generated_keys():
    """Return about 60 keys as a reader writes them; `""` is the empty one."""
    chance = random.Random(3)
    keys = [
        "".join(chance.choices(alphabet, k=length))
        for alphabet in ALPHABETS
        for length in LENGTHS
    ]
    return ['""', "two words", "customer-1", "customer-2", *keys]


KEYS = generated_keys()
