"""Runs the README's two commands on a bare Debian: what a new user's machine has, and nothing of this one.

The Debian is made by debootstrap with `PACKAGES` and kept as one archive; each run unpacks it anew, clones HEAD into it and
runs tests/readme_commands.py there as an unprivileged user. `make fresh-machine` runs both commands, `.ci/run` the first.

Before changing: everything below is root's. The run has mounts and process ids of its own, which end with its first process,
so nothing has to be unmounted; only the folder of the run has to be removed.

The addresses of the package mirrors are those that apt and pip use on this machine; none is written here.
"""

import argparse
import ast
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("ca-certificates", "gcc", "git", "libc6-dev", "make", "python3", "python3-venv")
PROGRAMS = {"debootstrap": "debootstrap", "unshare": "util-linux", "chroot": "coreutils", "tar": "tar", "git": "git"}

USER = "vox"
USER_HOME = "/srv/vox"
CHECKOUT = f"{USER_HOME}/checkout"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEBOOTSTRAP_TIMEOUT_S = 900.0
STEP_TIMEOUT_S = 300.0
UP_TIMEOUT_S = 900.0
TEST_TIMEOUT_S = 5400.0

# How this machine reaches the package index goes along; everything else in the environment stays behind.
HANDED_ON = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"),
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
    "NPM_CONFIG_REGISTRY",
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
NODE_CERTIFICATES = "NODE_EXTRA_CA_CERTS"
NAMES_OF_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", NODE_CERTIFICATES)

OWN_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# The bind mount makes a mount point of what becomes `/`, as it is on every machine: unshare asks for one.
ENTER = """
root=$1 user=$2 checkout=$3
shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts"
chroot --userspec="$user:$user" "$root" env --chdir="$checkout" "$@" </dev/null || exit $?
"""


class FreshMachineError(Exception):
    """The bare Debian cannot be made or entered; the message says what to do."""


def mirror(targets: str, release: str) -> str:
    """The address that apt gets this release from.

    Args:
        targets: what `apt-get indextargets` prints of each target: its site, a blank, its release.
        release: the release's code name, as in "bookworm".

    Raises:
        FreshMachineError: apt has no source for it.
    """
    for line in targets.splitlines():
        site, _, name = line.strip().rpartition(" ")
        if name == release and site:
            return site
    raise FreshMachineError(
        f"apt has no source for {release}: add one to /etc/apt/sources.list.d and run apt-get update"
    )


def network_settings(environment: Mapping[str, str], pip_config: str) -> dict[str, str]:
    """The variables with which pip and uv reach the package index as they do on this machine.

    Args:
        environment: the caller's.
        pip_config: what `pip config list` prints. The environment goes before it, as it does for pip.
    """
    found: dict[str, str] = {}
    for line in pip_config.splitlines():
        key, equals, value = line.partition("=")
        section, _, name = key.strip().rpartition(".")
        variable = f"PIP_{name.upper().replace('-', '_')}"
        if equals and section == "global" and variable in {*HANDED_ON, *NAMES_OF_CERTIFICATES}:
            found[variable] = " ".join(str(ast.literal_eval(value)).split())
    return found | {name: environment[name] for name in (*HANDED_ON, *NAMES_OF_CERTIFICATES) if environment.get(name)}


def with_certificates_inside(settings: Mapping[str, str]) -> dict[str, str]:
    """The same settings, naming the certificates by where they lie in the bare Debian, also for npm, which looks for a name of its own."""
    inside = {name: CERTIFICATES if name in NAMES_OF_CERTIFICATES else value for name, value in settings.items()}
    return inside | {NODE_CERTIFICATES: CERTIFICATES} if CERTIFICATES in inside.values() else inside


def certificates(settings: Mapping[str, str]) -> Path | None:
    """The file of certificate authorities that this machine trusts, if it has one."""
    named = [settings[name] for name in NAMES_OF_CERTIFICATES if name in settings]
    return next((Path(file) for file in (*named, CERTIFICATES) if Path(file).is_file()), None)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the archive is kept: `VOX_FRESH_MACHINE_DIR`, else `vox/fresh-machine` in the user's cache."""
    if own := environment.get("VOX_FRESH_MACHINE_DIR"):
        return Path(own).absolute()
    cache = environment.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache.startswith("/") else Path.home() / ".cache") / "vox" / "fresh-machine"


def archive_name(release: str) -> str:
    """Of the bare Debian; another list of packages is another archive."""
    contents = hashlib.sha256(" ".join((*PACKAGES, USER, USER_HOME)).encode()).hexdigest()[:8]
    return f"{release}-{platform.machine()}-{contents}.tar"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; 0 when the commands did what the README says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fresh_machine", description=__doc__)
    parser.add_argument("--all", action="store_true", help="run `make test` as well, which takes a quarter of an hour")
    args = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the folder is removed
    _check_this_machine()
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    cache = cache_folder(os.environ)
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / archive_name(release)
    if not archive.exists():
        _make_archive(archive, release)
    began = time.monotonic()
    with _folder_in(cache) as folder:
        root = folder / "root"
        settings = network_settings(os.environ, _pip_config())
        _prepare(root, archive, certificates(settings))
        status = _run_commands(root, with_certificates_inside(settings), with_tests=args.all)
    outcome = "done" if status == 0 else f"failed with {status}"
    _say(f"{outcome} after {time.monotonic() - began:.0f} s")
    return status


def _check_this_machine() -> None:
    if os.geteuid() != 0:
        raise FreshMachineError("chroot and mount need root: run it with sudo, or in a container as root")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise FreshMachineError(f"{program} is not installed: apt-get install {package}")
    if shutil.which("apt-get") is None:
        raise FreshMachineError("apt-get is not installed: this needs a Debian, whose mirror and release it takes")


def _make_archive(archive: Path, release: str) -> None:
    began = time.monotonic()
    _say(f"making a bare Debian ({release}) by debootstrap; later runs take it from {archive}")
    targets = _output("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)")
    with _folder_in(archive.parent) as folder:
        root = folder / "root"
        packages = f"--include={','.join(PACKAGES)}"
        command = ("debootstrap", "--variant=minbase", packages, release, str(root), mirror(targets, release))
        _run(*OWN_NAMESPACES, *command, timeout_s=DEBOOTSTRAP_TIMEOUT_S)
        _run("chroot", str(root), "useradd", "--create-home", "--home-dir", USER_HOME, USER)
        shutil.rmtree(root / "var/cache/apt")
        _run("tar", "--create", "--file", str(folder / "tar"), "--directory", str(root), ".")
        (folder / "tar").replace(archive)
    _say(f"made it in {time.monotonic() - began:.0f} s")


def _pip_config() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=STEP_TIMEOUT_S).stdout


def _prepare(root: Path, archive: Path, trusted: Path | None) -> None:
    """Unpacks the Debian and clones HEAD into it."""
    root.mkdir()
    _run("tar", "--extract", "--file", str(archive), "--directory", str(root))
    for name in ("resolv.conf", "hosts"):
        if (source := Path("/etc", name)).is_file():
            shutil.copyfile(source, root / "etc" / name)
    if trusted is not None:
        shutil.copyfile(trusted, root / CERTIFICATES.lstrip("/"))

    checkout = root / CHECKOUT.lstrip("/")
    configuration = root.parent / "gitconfig"
    configuration.write_text("[safe]\n\tdirectory = *\n")  # under sudo the checkout is another user's
    git = {**os.environ, "GIT_CONFIG_GLOBAL": str(configuration)}
    commit = _output("git", "-C", str(ROOT), "rev-parse", "HEAD", environment=git).strip()
    _run("git", "clone", "--quiet", "--no-local", "--no-checkout", str(ROOT), str(checkout), environment=git)
    _run("git", "-C", str(checkout), "checkout", "--quiet", "--detach", commit, environment=git)
    _run("chroot", str(root), "chown", "--recursive", f"{USER}:{USER}", CHECKOUT)
    if _output("git", "-C", str(ROOT), "status", "--porcelain", environment=git):
        _say("changes that are not committed are not part of it")
    _say(f"running {commit[:12]} as {USER} on a bare Debian")


def _run_commands(root: Path, settings: Mapping[str, str], *, with_tests: bool) -> int:
    environment = {
        "PATH": SEARCH_PATH,
        "HOME": USER_HOME,
        "USER": USER,
        "LOGNAME": USER,
        "LANG": "C.UTF-8",
        **settings,
    }
    commands = ["python3", "-B", "-m", "tests.readme_commands", *(["--all"] if with_tests else [])]
    enter = (*OWN_NAMESPACES, "sh", "-euc", ENTER, "sh", str(root), USER, CHECKOUT)
    timeout_s = UP_TIMEOUT_S + (TEST_TIMEOUT_S if with_tests else 0)
    try:
        return subprocess.run([*enter, *commands], check=False, timeout=timeout_s, env=environment).returncode
    except subprocess.TimeoutExpired as error:
        raise FreshMachineError(f"the commands were not done after {timeout_s:.0f} s") from error


@contextmanager
def _folder_in(parent: Path) -> Generator[Path]:
    """A folder that is removed at the end, also while killed processes are still letting go of it."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    try:
        yield folder
    finally:
        for _ in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.1)


def _run(*command: str, timeout_s: float = STEP_TIMEOUT_S, environment: Mapping[str, str] | None = None) -> None:
    _output(*command, timeout_s=timeout_s, environment=environment)


def _output(*command: str, timeout_s: float = STEP_TIMEOUT_S, environment: Mapping[str, str] | None = None) -> str:
    program = next(word for word in command if word not in OWN_NAMESPACES)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise FreshMachineError(f"{program} was not done after {timeout_s:.0f} s") from error
    if done.returncode != 0:
        last = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-15:])
        raise FreshMachineError(f"{program} failed with {done.returncode}:\n{last}")
    return done.stdout


def _say(text: str) -> None:
    print(f"fresh-machine: {text}", flush=True)  # noqa: T201  a command's output


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FreshMachineError as error:
        sys.exit(f"fresh-machine: {error}")
