"""The parts of an answer: how they are written, and what must be there."""

import re

MANDATORY = (
    "Signal",
    "Short answer",
    "Junior",
    "Senior",
    "Staff",
    "When it fails",
    "Evidence",
    "Trap",
)
TWINS = ("Kafka", "RabbitMQ")
FOLLOW_UP = "Follow-up"
FOLLOW_UPS = 2
CARD = re.compile(r"Card \(([a-z0-9]+(?:-[a-z0-9]+)*)\): (.+)")
SHORT_ANSWER_WORDS = 75


def words(text):
    """Count the words of a rendered text; a dash that stands alone is none."""
    return sum(any(character.isalnum() for character in word) for word in text.split())


def parts_of(content):
    """Split a definition list into parts: (term, number of its first line, its lines).

    A term is a line at the margin whose next line begins with `: `.
    Raises ValueError with a sentence when there is text before the first term.
    """
    parts = []
    for number, line in enumerate(content):
        following = content[number + 1] if number + 1 < len(content) else ""
        if (
            line[:1].strip()
            and not line.startswith(": ")
            and following.startswith(": ")
        ):
            parts.append((line.strip(), number + 1, []))
        elif parts:
            # A line at the margin continues the part, as in any definition list.
            parts[-1][2].append(line[2:] if line.startswith((": ", "  ")) else line)
        elif line.strip():
            raise ValueError(
                f"'{line.strip()}' stands before the first part. Put it into one."
            )
    return parts


def named(term):
    """Return the name of a part and, for a follow-up, its question."""
    if term.startswith(f"{FOLLOW_UP}:"):
        return FOLLOW_UP, term.partition(":")[2].strip()
    return term, ""


def without_cards(parts):
    """Split parts into those of the answer and its flashcards (id, front, the rest)."""
    cards = [(CARD.fullmatch(term), rest) for term, *rest in parts]
    answer = [part for part, (card, _) in zip(parts, cards, strict=True) if not card]
    return answer, [(*card.groups(), *rest) for card, rest in cards if card]


def fault(parts):
    """Return the sentence that says what is wrong with an answer's parts, or None."""
    names = [name for name, *_ in parts]
    known = {*MANDATORY, *TWINS, FOLLOW_UP}
    for name in names:
        if name not in known:
            return (
                f"'{name}' is no part of an answer. "
                f"The parts are {', '.join(sorted(known))}."
            )
        if name != FOLLOW_UP and names.count(name) > 1:
            return f"The part '{name}' is there twice. Keep one."
    for name, question, *_ in parts:
        if name == FOLLOW_UP and not question:
            return "A follow-up has no question. Write it as 'Follow-up: its question'."
    for name in MANDATORY:
        if name not in names:
            return f"The part '{name}' is missing. Write '{name}', then ': …' below it."
    if names.count(FOLLOW_UP) != FOLLOW_UPS:
        return (
            f"There must be {FOLLOW_UPS} follow-ups, not {names.count(FOLLOW_UP)}. "
            "Write each as 'Follow-up: its question', then a line ': its answer'."
        )
    for one, other in (TWINS, TWINS[::-1]):
        if one in names and other not in names:
            return (
                f"There is a part '{one}' and no part '{other}'. Write both or neither."
            )
    return None
