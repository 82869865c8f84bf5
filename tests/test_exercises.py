"""The exercises: a solution passes, a starting point does not, and the runner helps."""

import ast
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import BrokerError, exercises
from brokers.exercises import EXERCISES, ORDER
from exercises import Fault

# psycopg leaves a connection open whose commit fails at the end of its `with`.
pytestmark = pytest.mark.filterwarnings(
    "ignore:<psycopg.Connection object .* was deleted while still open:ResourceWarning"
)
FIXTURE = {"bootstrap": "kafka", "url": "rabbitmq"}  # The others have their names.
QUICK = "one_key_one_order"


def module(name, which):
    return importlib.import_module(f"exercises.{name}.{which}")


@pytest.fixture
def handed(request, name, kafka, rabbitmq):
    """What the check of the exercise `name` is handed beside the module."""
    wanted = exercises.needs(name)
    return {each: request.getfixturevalue(FIXTURE.get(each, each)) for each in wanted}


@pytest.fixture
def mine(tmp_path, monkeypatch, kafka, rabbitmq):
    """The reader's folder, not made yet; the reader has brokers that run."""
    monkeypatch.setattr(exercises, "MINE", tmp_path / "my_exercises")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("AMQP_URL", rabbitmq)
    return exercises.MINE


@pytest.fixture
def run(mine, capsys):
    """A function that runs the runner; it returns the exit code and what is printed."""

    def run(*names, hint=False, show=False, again=False):
        code = exercises.run(list(names), hint, show, again)
        return code, capsys.readouterr().out

    run(show=True)
    return run


@pytest.fixture
def no_check(monkeypatch):
    """Fail if a check is run."""
    monkeypatch.setattr(exercises, "try_out", lambda name: pytest.fail(name))


def solve(mine, name):
    (mine / f"{name}.py").write_bytes((EXERCISES / name / "solution.py").read_bytes())


def change(mine, old, new, name=QUICK):
    """Write the solution into the reader's file, with `new` where `old` is."""
    text = (EXERCISES / name / "solution.py").read_text()
    assert old in text
    (mine / f"{name}.py").write_text(text.replace(old, new))


def line_of(path, text):
    """Return the number of the first line of a file that has `text`."""
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_order_names_each_exercise_once():
    folders = [path.parent.name for path in EXERCISES.glob("*/start.py")]
    assert sorted(ORDER) == sorted(folders)


@pytest.mark.parametrize("name", ORDER)
def test_solution_passes(name, handed):
    module(name, "check").check(module(name, "solution"), **handed)


@pytest.mark.parametrize("name", ORDER)
def test_starting_point_fails_for_the_stated_reason(name, handed):
    check = module(name, "check")
    with pytest.raises(Fault) as fault:
        check.check(module(name, "start"), **handed)
    assert str(fault.value) == check.STARTS_WITH


@pytest.mark.parametrize("name", ORDER)
def test_solution_finishes_the_functions_of_its_starting_point(name):
    start, solution = module(name, "start"), module(name, "solution")
    assert solution.__doc__ == start.__doc__
    for each, function in inspect.getmembers(start, inspect.isfunction):
        finished = getattr(solution, each)
        assert inspect.signature(finished) == inspect.signature(function), each


@pytest.mark.parametrize("name", ORDER)
def test_starting_point_is_short_and_marks_its_gaps(name):
    text = (EXERCISES / name / "start.py").read_text()
    assert len(text.splitlines()) <= 50
    assert 4 <= len(ast.get_docstring(ast.parse(text)).splitlines()) <= 10
    assert "# Finish this" in text
    assert "# Finish this" not in (EXERCISES / name / "solution.py").read_text()


@pytest.mark.parametrize("name", ORDER)
def test_exercise_has_two_to_four_hints_that_lead_into_the_book(name):
    text = (EXERCISES / name / "hints.md").read_text()
    assert 2 <= len(text.strip().split("\n\n")) <= 4
    assert "](../" in text


def test_first_run_lays_the_starting_points_and_checks_the_first(mine, capsys):
    assert exercises.run([], hint=False, show=False, again=False) == 1
    printed = capsys.readouterr().out
    assert {path.stem for path in mine.glob("*.py")} == {*ORDER}
    assert f"Done: 0 of {len(ORDER)} exercises." in printed
    assert f"Edit my_exercises/{ORDER[0]}.py." in printed
    assert module(ORDER[0], "check").STARTS_WITH in printed


def test_fault_names_the_section_that_helps(mine, run):
    shutil.copyfile(EXERCISES / QUICK / "start.py", mine / f"{QUICK}.py")
    printed = run(QUICK)[1]
    assert "See: Which partition (chapter Kafka architecture)." in printed


@pytest.mark.parametrize("name", ORDER)
def test_section_of_an_exercise_is_a_heading_of_its_chapter(name):
    section, chapter = exercises.see(name)[5:-2].split(" (chapter ")
    pages = [page.read_text() for page in exercises.BOOK.glob("*/index.md")]
    (page,) = [each for each in pages if each.startswith(f"# {chapter}\n")]
    assert re.search(rf"^##+ {re.escape(section)}$", page, re.MULTILINE)


def test_later_runs_leave_the_readers_files_alone(mine, run, no_check):
    own = mine / f"{QUICK}.py"
    own.write_text("# mine\n")
    run(show=True)
    assert own.read_text() == "# mine\n"


def test_what_passes_is_done_and_the_next_task_is_named(mine, run):
    solve(mine, ORDER[0])
    code, printed = run()
    assert code == 0
    assert f"{ORDER[0]} passes." in printed
    assert f"Done: 1 of {len(ORDER)} exercises. The next is {ORDER[1]}:" in printed
    assert exercises.task(ORDER[1]).splitlines()[-1] in printed


def done(mine, name):
    """Let the runner remember that an exercise is done with the file that is there."""
    exercises.remember(".done.json", name, exercises.fingerprint(name))


def test_what_is_done_is_not_run_again(mine, run, no_check):
    done(mine, QUICK)
    code, printed = run(QUICK)
    assert code == 0
    assert f"{QUICK} is done, and my_exercises/{QUICK}.py has not changed" in printed


def test_what_was_done_and_has_changed_is_run_again(mine, run):
    done(mine, ORDER[0])
    with (mine / f"{ORDER[0]}.py").open("a") as file:
        file.write("# One more line.\n")
    code, printed = run()
    assert code == 1
    assert f"This one is open: {ORDER[0]}." in printed


def test_list_says_of_each_whether_it_is_done(mine, run, no_check):
    done(mine, ORDER[1])
    code, printed = run(show=True)
    states = [line.split(":")[0].split() for line in printed.splitlines()]
    expected = ["done" if name == ORDER[1] else "open" for name in ORDER]
    assert code == 0
    assert states == [list(each) for each in zip(expected, ORDER, strict=True)]


def test_when_all_are_done_it_says_so_and_what_comes_next(mine, run, no_check):
    for name in ORDER:
        done(mine, name)
    code, printed = run()
    assert code == 0
    assert printed.startswith(f"Done: {len(ORDER)} of {len(ORDER)} exercises. ")
    assert (exercises.BOOK.parent / printed.split()[-1].rstrip(".")).exists()


def test_each_hint_says_one_more_and_then_where_the_solution_is(mine, run, no_check):
    hints = (EXERCISES / QUICK / "hints.md").read_text().strip().split("\n\n")
    printed = [run(QUICK, hint=True)[1] for _ in range(len(hints) + 1)]
    for number, text in enumerate(printed[:-1], 1):
        assert text.startswith(f"Hint {number} of {len(hints)} for {QUICK}:\n")
    assert f"examples/exercises/{QUICK}/solution.py" in printed[-1]


def test_hint_names_section_and_chapter_of_a_link(mine, run, no_check):
    printed = "".join(run(QUICK, hint=True)[1] for _ in range(3))
    assert "Which partition (chapter Kafka architecture)" in printed
    assert "../kafka_architecture" not in printed


def test_hint_without_a_name_is_for_the_next_open_exercise(mine, run, no_check):
    done(mine, ORDER[0])
    assert f"for {ORDER[1]}:" in run(hint=True)[1]


def test_starting_point_is_laid_anew_and_the_old_file_kept(mine, run, no_check):
    own, start = mine / f"{QUICK}.py", EXERCISES / QUICK / "start.py"
    own.write_text("# mine\n")
    for _ in range(2):  # The second time there is nothing to keep.
        assert run(QUICK, again=True)[0] == 0
    assert own.read_text() == start.read_text()
    assert (mine / f"{QUICK}.py.old").read_text() == "# mine\n"


def test_syntax_error_is_a_sentence_with_its_line(mine, run):
    (mine / f"{QUICK}.py").write_text("import time\n\ndef send_orders(:\n")
    code, printed = run(QUICK)
    assert code == 1
    assert (
        f"Line 3 of my_exercises/{QUICK}.py is not Python: invalid syntax." in printed
    )
    assert "Traceback" not in printed


def test_exception_is_a_sentence_with_type_message_and_line(mine, run):
    change(mine, "with KafkaProducer", "orders.sort(by=0)\n    with KafkaProducer")
    line = line_of(mine / f"{QUICK}.py", "orders.sort")
    code, printed = run(QUICK)
    assert code == 1
    assert f"Line {line} of my_exercises/{QUICK}.py ended with TypeError: " in printed
    assert "Traceback" not in printed


def test_exception_in_a_worker_process_is_a_sentence_with_its_line(mine, run):
    name = "commit_after_work"
    change(mine, " handle(order)\n", " handle(order, 1 / 0)\n", name)
    line = line_of(mine / f"{name}.py", "1 / 0")
    printed = run(name)[1]
    shown = f"Line {line} of my_exercises/{name}.py"
    assert f"{shown} ended with ZeroDivisionError: division by zero" in printed


def test_missing_function_is_a_sentence_that_leads_to_the_task(mine, run):
    change(mine, "def send_orders", "def send_them")
    printed = run(QUICK)[1]
    assert "has no attribute 'send_orders'" in printed
    assert "Compare the names, arguments and results" in printed


def test_hanging_exercise_is_ended_and_the_line_named(mine, run, monkeypatch):
    monkeypatch.setattr(exercises, "DEADLINE", 1)
    (mine / f"{QUICK}.py").write_text("import time\n\ntime.sleep(60)\n")
    code, printed = run(QUICK)
    assert code == 1
    assert f"Line 3 of my_exercises/{QUICK}.py was still at work after 1 s" in printed


def test_file_that_ends_the_interpreter_has_not_passed(mine, run):
    (mine / f"{QUICK}.py").write_text("import os\n\nos._exit(0)\n")
    code, printed = run(QUICK)
    assert code == 1
    assert "ended before it had a verdict" in printed


def test_file_that_is_gone_is_a_sentence_that_says_how_to_get_it_back(mine, run):
    (mine / f"{QUICK}.py").unlink()
    code, printed = run(QUICK)
    assert code == 1
    assert f"my_exercises/{QUICK}.py is gone" in printed
    assert f"--again {QUICK}" in printed


def test_what_the_readers_file_prints_is_shown(mine, run):
    change(mine, "with KafkaProducer", 'print("so far")\n    with KafkaProducer')
    assert f"my_exercises/{QUICK}.py prints:\n\n  so far\n" in run(QUICK)[1]


def test_memory_that_cannot_be_read_is_a_sentence(mine, run):
    (mine / ".done.json").write_text("{")
    with pytest.raises(BrokerError, match=r"\.done\.json cannot be read: delete it"):
        run()


def test_what_is_done_is_remembered_with_the_hash_of_the_file(mine, run):
    solve(mine, QUICK)
    run(QUICK)
    remembered = json.loads((mine / ".done.json").read_text())
    assert remembered == {QUICK: exercises.fingerprint(QUICK)}


def test_wrong_name_is_a_sentence_that_lists_the_names():
    examples = Path(exercises.EXAMPLES)
    command = [sys.executable, str(examples), "--exercise", "no_such_thing"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr == f"Name one of the exercises: {', '.join(ORDER)}.\n"
