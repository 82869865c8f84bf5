"""Small programs to finish, each with its check, its hints and a solution."""


class Fault(Exception):
    """Why an exercise is not done yet: a sentence that says what the check has seen."""
