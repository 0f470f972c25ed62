"""A real systemd, booted as process 1 of namespaces of its own: units, restarts and signals as a server has them.

It sees this machine's files read-only, but for one folder, and only the units that a test writes. Its network is the
machine's, so that tests reach what it starts. When the block is left, all of it is gone.
`python -m tests.e2e.booted_systemd` says by its exit code whether that works on this machine.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.require import require
from tests.time_limits import WAIT_S, time_limit

PROGRAMS = ("unshare", "nsenter", "dbus-daemon", "busctl", "systemctl")
INIT = Path("/lib/systemd/systemd")

OUTER = r"""
set -e
mount --make-rprivate /
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  own=$(sed -n 's/^0:://p' /proc/self/cgroup); tree=/sys/fs/cgroup; kind=cgroup2
else
  own=$(sed -n 's/^[0-9]*:name=systemd://p' /proc/self/cgroup); tree=/sys/fs/cgroup/systemd; kind=cgroup
fi
group="$tree$own/vox-test-$$"
mkdir -p "$group"
echo "$group" > "$FOLDER/group"
echo $$ > "$group/cgroup.procs"
exec unshare --pid --fork --mount --uts --ipc --cgroup --kill-child --mount-proc sh "$FOLDER/inner.sh" "$kind"
"""
INNER = r"""
set -e
mount --bind "$FOLDER" "$FOLDER"
mount -t tmpfs tmpfs /etc/systemd/system
# mounts
mount -o remount,ro,bind /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/lock /run/systemd/system /run/dbus
umount -l /sys/fs/cgroup
if [ "$1" = cgroup2 ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
fi
cp "$FOLDER"/units/* /run/systemd/system/
export container=vox
exec /lib/systemd/systemd --system --unit=vox.target --show-status=no
"""
UNITS = {
    "vox.target": "[Unit]\nDefaultDependencies=no\nWants=dbus.socket\nAllowIsolate=yes\n",
    "network-online.target": "[Unit]\nDefaultDependencies=no\n",
    "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": (
        "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nType=notify\n"
        "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n"
    ),
}


@dataclass(frozen=True, slots=True)
class Systemd:
    """A booted systemd."""

    pid: int
    folder: Path

    async def run(self, command: str) -> str:
        """What a shell command prints inside.

        Raises:
            AssertionError: it failed.
        """
        code, output = await self.attempt(command)
        assert code == 0, f"{command}: {output}\n{(self.folder / 'boot.log').read_text()[-4000:]}"
        return output

    async def attempt(self, command: str) -> tuple[int, str]:
        """The exit code of a shell command inside, and what it prints."""
        process = await asyncio.create_subprocess_exec(
            "nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--wd=/",
            "sh", "-c", command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        async with time_limit(WAIT_S):
            output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return (await self.run(f"systemctl show --property={name} --value {unit}")).strip()


@contextlib.asynccontextmanager
async def booted_systemd(
    folder: Path, units: Mapping[str, str], *, mounts: Mapping[str, Path] | None = None
) -> AsyncGenerator[Systemd]:
    """A systemd with these unit files, when it has booted.

    Args:
        folder: for what it writes; the only place of this machine's that it can change.
        units: text of each unit file by its name.
        mounts: folders inside `folder` by the paths at which they are to be seen.
    """
    _prepare(folder, {**UNITS, **units}, mounts or {})
    with (folder / "boot.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "unshare", "--mount", "sh", str(folder / "outer.sh"),
            env={"PATH": os.environ["PATH"], "FOLDER": str(folder)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield await _booted(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await _remove_groups(folder)


def _prepare(folder: Path, units: Mapping[str, str], mounts: Mapping[str, Path]) -> None:
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    can_boot = os.geteuid() == 0 and INIT.exists() and not missing
    require(can_boot, "systemd as root", f"apt-get install systemd dbus, run as root; missing: {', '.join(missing)}")
    (folder / "units").mkdir()
    for name, text in units.items():
        (folder / "units" / name).write_text(text)
    (folder / "outer.sh").write_text(OUTER)
    mounted = "".join(f"mount --bind {source} {target}\n" for target, source in mounts.items())
    (folder / "inner.sh").write_text(INNER.replace("# mounts\n", mounted))


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _booted(process: asyncio.subprocess.Process, folder: Path) -> Systemd:
    async with time_limit():
        while True:
            assert process.returncode is None, (folder / "boot.log").read_text()
            if found := _children(process.pid):
                systemd = Systemd(found[0], folder)
                code, _ = await systemd.attempt(
                    "test -S /run/dbus/system_bus_socket && systemctl is-active dbus.socket"
                )
                if code == 0:
                    return systemd
            await asyncio.sleep(0.05)


async def _remove_groups(folder: Path) -> None:
    """Removes the control groups that it has left, when the kernel has ended their processes."""
    file = folder / "group"
    if not file.exists():
        return
    group = Path(file.read_text().strip())
    async with time_limit():
        while not _is_removed(group):  # noqa: ASYNC110  the kernel tells no one
            await asyncio.sleep(0.02)


def _is_removed(group: Path) -> bool:
    for each in sorted(group.glob("**/"), reverse=True):
        with contextlib.suppress(OSError):
            each.rmdir()
    return not group.exists()


async def _try() -> str:
    with tempfile.TemporaryDirectory() as folder:
        async with booted_systemd(Path(folder), {}) as systemd:
            return await systemd.run("systemctl is-system-running && busctl --quiet status")


if __name__ == "__main__":
    try:
        asyncio.run(_try())
    except (AssertionError, OSError, pytest.skip.Exception, pytest.fail.Exception) as error:
        sys.exit(f"systemd cannot be booted here: {error}")
