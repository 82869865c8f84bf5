"""Prometheus and its tool, from Debian, for the tests of the alerts.

The package is fetched with apt as RabbitMQ is, without root, and its hash is pinned.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from brokers.cache import BrokerError, once, say
from brokers.rabbitmq_install import apt, debian, unpack, write_state

SUITE, VERSION = "bookworm", "2.42.0+ds-5+deb12u1"
HASHES = {
    "amd64": "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55",
    "arm64": "ca131aa102390083398afbc80be9c8dd1dda78f9f92154fc00df8f7f1f4556e9",
}


def available() -> bool:
    """Tell whether this machine can unpack a package of Debian's."""
    return all(shutil.which(each) for each in ("apt-get", "dpkg-deb"))


def programs() -> Path:
    """Return the folder with `prometheus` and `promtool`, fetched on first use."""
    return once(f"prometheus-{VERSION}", download)


def download(staging: Path, _: Path) -> None:
    """Fill `staging` with the two programs; raise BrokerError if they can't be had."""
    dpkg = ["dpkg", "--print-architecture"]
    architecture = subprocess.check_output(dpkg, text=True).strip()
    if architecture not in HASHES:
        raise BrokerError(f"No hash of Prometheus for {architecture} is pinned.")
    say("Prometheus: fetching Debian's package (19 MB) …")
    mirror, keyring = debian(staging / "own")
    state = staging / "apt"
    options = f"signed-by={keyring} target=Packages arch={architecture}"
    write_state(state, f"deb [{options}] {mirror} {SUITE} main\n", architecture)
    problem = apt(state, "update")[1]
    problem = problem or apt(state, "download", f"prometheus={VERSION}")[1]
    if problem:
        raise BrokerError(f"apt could not get Prometheus {VERSION} ({problem}).")
    package = next(state.glob("*.deb"))
    if hashlib.sha256(package.read_bytes()).hexdigest() != HASHES[architecture]:
        raise BrokerError(f"{package.name} is not the package whose hash is pinned.")
    unpack(state, staging / "package")
    for name in ("prometheus", "promtool"):
        (staging / "package" / "usr" / "bin" / name).rename(staging / name)
    for folder in ("own", "apt", "package"):
        shutil.rmtree(staging / folder)
