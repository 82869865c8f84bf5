"""Run the book's programs: `python examples fundamentals/send_and_receive_kafka`."""

import argparse
import signal
import sys

from brokers import doctor, programs, serve
from brokers.cache import BrokerError


def main() -> int:
    """Read the command line, do what it says, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python examples", description=__doc__)
    parser.add_argument("names", nargs="*", help="a program, or with --all a chapter; none: all")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--all", action="store_true", help="run them on brokers started for that")
    mode.add_argument("--serve", action="store_true", help="run both brokers on their usual ports")
    mode.add_argument("--doctor", action="store_true", help="say what is here and what is missing")
    parser.add_argument("--record", action="store_true", help="with --all: write what they print")
    parser.add_argument("--check", action="store_true", help="with --all: fail on another output")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was started is stopped.
    try:
        if options.doctor:
            doctor.report()
        elif options.serve:
            serve.serve()
        elif options.all:
            chosen = programs.find(*options.names)
            return 0 if programs.run_all(chosen, options.record, options.check) else 1
        elif options.names:
            for program in programs.find(*options.names):
                programs.run(program)
        else:
            print("\n".join(program.name for program in programs.find()))
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
