"""Numbers for the capacity calculator, of many kinds and the same in every run."""

import random

from capacity_calculator import FIELDS, WHOLE, beginning


def generated_cases():
    """Return inputs of all magnitudes, the limits of each field among them."""
    chance = random.Random(9)
    cases = [beginning()]
    for name, (_, _, _, least, most) in FIELDS.items():
        cases += [beginning() | {name: least}, beginning() | {name: most}]
    for _ in range(300):
        case = {}
        for name, (_, _, value, least, most) in FIELDS.items():
            number = value * 10 ** chance.uniform(-2, 2)
            digits = None if name in WHOLE else chance.choice([None, 1, 2])
            case[name] = min(max(round(number, digits), least), most)
        cases.append(case)
    return cases


CASES = generated_cases()
