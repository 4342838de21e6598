"""Other processors on this machine: `make emulators` (python -m tests.emulators) puts them here, once.

`.venvs/aarch64` holds what a board with a 64-bit Arm processor has (Debian's Python, and the runtimes of requirements/device.txt
in their wheels for aarch64), and qemu, which runs it. It needs apt-get and dpkg of a Debian on x86-64, and no root: packages are
unpacked, none is installed. What a Cortex-M4 needs is installed by apt-get where this runs as root, and else named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
AARCH64 = ROOT / ".venvs" / "aarch64"
SYSROOT, SITE, QEMU, DONE = (AARCH64 / name for name in ("root", "root/opt/site", "qemu-aarch64-static", ".done"))

CORTEX_M4 = {
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi"),
    "qemu-system-arm": ("qemu-system-arm",),
}
"""What is called, and the Debian packages it comes in."""

PYTHON = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
WHEN_IT_IS_THERE = "an aarch64 processor is not here: make emulators"

PROCESSOR = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
"""/proc/cpuinfo of a Raspberry Pi 4 (Cortex-A72): runtimes ask it what they may use, and stop hard where it is an x86's."""


WHICH = "import os, sys; print('{}.{}'.format(*sys.version_info), os.confstr('CS_GNU_LIBC_VERSION').split()[1])"
"""What wheels are chosen by: the versions of Python and of the C library."""


def python(*words: str | Path) -> list[str]:
    """The command that runs Python on an emulated Cortex-A72."""
    [interpreter] = (SYSROOT / "usr" / "bin").glob("python3.*[0-9]")
    told = ["-E", f"PYTHONPATH={SITE}", "-E", "PYTHONDONTWRITEBYTECODE=1", "-E", "PYTHONHASHSEED=0"]
    return [str(QEMU), "-cpu", "cortex-a72", "-L", str(SYSROOT), *told, str(interpreter), *map(str, words)]


def call(words: Sequence[str | Path], place: Path | None = None) -> str:
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def apt(place: Path, architecture: str) -> list[str]:
    """apt-get for another architecture, with lists of its own: this machine's stay as they are."""
    state = place / f"apt-{architecture}"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "state" / "status").touch()  # nothing is installed: what is needed is everything
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State": state / "state",
        "Dir::State::status": state / "state" / "status",
        "Dir::Cache": state / "cache",
    }
    return ["apt-get", "-q", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]


def unpacked(place: Path, architecture: str, packages: Sequence[str], target: Path) -> None:
    """Unpack packages into a directory, with what they need."""
    get, debs = apt(place, architecture), place / f"debs-{architecture}"
    debs.mkdir()
    call([*get, "update"])
    planned = call([*get, "install", "--simulate", "--no-install-recommends", *packages])
    call([*get, "download", *(line.split()[1] for line in planned.splitlines() if line.startswith("Inst "))], debs)
    for deb in sorted(debs.glob("*.deb")):
        call(["dpkg", "-x", deb, target])


def processor(root: Path) -> None:
    """Put into a system's root what the kernel would tell of its one core."""
    cores = root / "sys" / "devices" / "system" / "cpu"
    (cores / "cpu0").mkdir(parents=True)
    for name in ("possible", "present", "online", "kernel_max"):
        (cores / name).write_text("0\n")
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "cpuinfo").write_text(PROCESSOR)


def prepare() -> None:
    shutil.rmtree(AARCH64, ignore_errors=True)
    work = AARCH64 / "work"
    work.mkdir(parents=True)
    unpacked(work, "arm64", PYTHON, SYSROOT)
    processor(SYSROOT)
    here = call(["dpkg", "--print-architecture"]).strip()
    unpacked(work, here, ["qemu-user-static"], work / "qemu")
    shutil.move(work / "qemu" / "usr" / "bin" / QEMU.name, QEMU)
    version, libc = call(python("-c", WHICH)).split()
    uv = [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", SITE]
    asked = ["--python-platform", f"aarch64-manylinux_{libc.replace('.', '_')}", "--python-version", version]
    call([*uv, *asked, "-r", ROOT / "requirements" / "device.txt"])
    shutil.rmtree(work)
    told = call(python("-c", "import platform, ai_edge_litert.interpreter as one; print(platform.machine(), one.__name__)"))
    print(f"{told.strip()} runs in {AARCH64.relative_to(ROOT)}")
    DONE.touch()


def install() -> int:
    """Install what a Cortex-M4 needs; return 1 where somebody else must."""
    packages = [name for tool, names in CORTEX_M4.items() if shutil.which(tool) is None for name in names]
    if not packages:
        return 0
    if os.geteuid() or shutil.which("apt-get") is None:
        print(f"for a Cortex-M4 install {', '.join(packages)}")
        return 1
    call(["apt-get", "-q", "update"])
    call(["apt-get", "-q", "install", "--yes", "--no-install-recommends", *packages])
    return 0


def main() -> int:
    if not DONE.exists():
        absent = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
        if absent:
            print(f"an aarch64 processor needs {' and '.join(absent)}, which a Debian has")
            return 1
        prepare()
    return install()


if __name__ == "__main__":
    sys.exit(main())
