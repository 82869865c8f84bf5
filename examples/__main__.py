"""Run the book's programs: `python examples fundamentals/send_and_receive_kafka`."""

import argparse
import signal
import sys

MODES = {
    "--all": "run them on brokers started for that",
    "--serve": "run both brokers on their usual ports",
    "--doctor": "say what is here and what is missing",
    "--lab": "run labs, each on brokers of its own",
    "--exercise": "check the next open exercise, or the one that is named",
    "--defaults": "record the defaults of the installed clients",
}
WITH_MODE = {
    "--record": "with --all or --lab: write down what came out",
    "--check": "with --all: fail if they print something else than the book",
    "--hint": "with --exercise: print one more hint",
    "--list": "with --exercise: say of each whether it is done",
    "--again": "with --exercise and a name: lay its starting point anew",
}


def main():
    """Do what the command line says; return the exit code or a sentence."""
    parser = argparse.ArgumentParser(prog="python examples", description=__doc__)
    names = "a program, with --all a chapter, with --lab a lab; none: all; an exercise"
    parser.add_argument("names", nargs="*", help=names)
    group = parser.add_mutually_exclusive_group()
    for mode, text in MODES.items():
        group.add_argument(mode, action="store_true", help=text)
    for option, text in WITH_MODE.items():
        parser.add_argument(option, action="store_true", help=text)
    parser.add_argument(
        "--times", type=int, default=1, help="with --lab: how often (default 1)"
    )
    options = parser.parse_args()
    for name in ("SIGTERM", "SIGHUP"):  # They unwind what was started, as Ctrl-C does.
        if number := getattr(signal, name, None):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return run(options)
    except ModuleNotFoundError as error:
        return (
            f"This Python has no '{error.name}': run `python -m nox -s brokers` once, "
            "then `source .nox/book/bin/activate`, and try again."
        )
    except KeyboardInterrupt:
        return 130


def run(options):
    """Do what `options` say; what it imports needs packages, which may be missing."""
    from brokers.cache import BrokerError

    try:
        if options.doctor:
            from brokers import doctor

            doctor.report()
            return 0
        from brokers import programs, serve

        if options.serve:
            serve.serve()
        elif options.all:
            chosen = programs.find(*options.names)
            return 0 if programs.run_all(chosen, options.record, options.check) else 1
        elif options.lab:
            from brokers import labs

            for name in options.names or labs.names():
                labs.run(name, options.times, options.record)
        elif options.exercise:
            from brokers import exercises

            names, hint, again = options.names, options.hint, options.again
            return exercises.run(names, hint, options.list, again)
        elif options.defaults:
            from brokers import client_defaults

            client_defaults.record()
        elif options.names:
            for program in programs.find(*options.names):
                programs.run(program)
        else:
            print("\n".join(program.name for program in programs.find()))
        return 0
    except BrokerError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main())
