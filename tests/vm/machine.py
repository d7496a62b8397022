"""Booting a guest to run one job in it.

`run` is all that a test needs. The kernel is emulated in software: hardware virtualisation is missing or broken on too many
machines that run tests, and a boot takes about two seconds.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import re
import select
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .initramfs import FALL_ASLEEP, initramfs
from .kernels import Kernel, cached
from .layout import LOADER, SHARE, TRIGGER

ROOT = Path(__file__).resolve().parents[2]
"""The folder that jobs import from: `from tests.vm import guest`, or the library itself."""

JOBS = Path(__file__).resolve().parent / "jobs"

BOOT_LIMIT = 60.0
"""Seconds of the processor after which a machine that has not reached its script is taken for hung, and started again: now and
then an emulated one stops before the kernel's first message, with a processor busy. A boot takes five, some more where the host
is crowded."""

PATIENCE = 6
"""A machine that does nothing is taken for hung after so many times as many seconds of the clock: on a host that much crowded, a
machine would get no more of the processor."""

BOOTS = 3
"""How often to try."""

FALLING_ASLEEP = 600
"""Seconds of the clock after which a machine that is to be kept is given up; others are then booted."""

# All but the first line only save time. What counts most is where programs lie: the emulator keeps what it has translated by
# address, so a program that lies elsewhere each time is translated anew each time, which is two thirds of Python's start.
COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 security=tomoyo "
    "mitigations=off tsc=reliable no_timer_check lpj=4000000 cryptomgr.notests audit=0 rcupdate.rcu_expedited=1 init_on_alloc=0 "
    "norandmaps"
)

USUAL = tuple(f"TOMOYO_trigger={TRIGGER} TOMOYO_loader={name}" for name in (LOADER, "/run/set/boot", "/run/boot/set/boot"))
"""What most machines have on their command line beside that: the default loader, or that of a set that is tried."""

PROCESSOR = "max,-erms,-fsrm"
"""The processor: the most capable one, as the host's programs may have been built for a recent one; but without the flags that
say that copying by bytes is fast, which makes the kernel clear and copy pages so. In an emulated one it is eight times as slow as
by words, and a fault of memory takes half as long again."""


@dataclass(frozen=True)
class Result:
    """What a guest left."""

    status: int | None
    """The job's exit code; None if it did not end."""
    stdout: str
    stderr: str
    console: str
    """The serial log: kernel messages."""
    files: Mapping[str, bytes]
    """Everything in the job's working folder afterwards, by its path relative to there."""
    panicked: str | None
    """The kernel's last words, if it panicked."""
    timed_out: bool


class GuestFailure(Exception):
    """The job failed, hung, or its kernel panicked."""

    def __init__(self, job: str, result: Result) -> None:
        self.result = result
        parts = {"stdout": result.stdout, "stderr": result.stderr, "console": result.console}
        tails = "".join(f"\n--- {name}\n{text[-4000:]}" for name, text in parts.items() if text)
        super().__init__(f"{job} {_verdict(result)}{tails}")


def run(
    kernel: Kernel,
    job: str | Path,
    *,
    arguments: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    loader: str | None = LOADER,
    command_line: str = "",
    processors: int = 1,
    steady: bool = False,
    interpreter: str | None = None,
    timeout: float = 600.0,
    check: bool = True,
) -> Result:
    """Boot `kernel`, run `job` as root in a working folder that holds `files`, and power off.

    `job` is a name in `jobs/` or the path of a Python file. TOMOYO stays inactive until the job calls `guest.activate`, which
    makes the kernel execute `loader`; without one, both are what the kernel was built with. `command_line` is added to the
    kernel's. With more than one of `processors` programs really run at once, and a boot takes half as much again of the host's.
    In a `steady` machine time goes by as the processor executes, however slow the host is, where the kernel would not wait for
    ever; that costs as much.
    `interpreter` is a Python, by default this one. `timeout` is in seconds of a processor of the host, however long they take.
    Raises `GuestFailure` unless the job ends with 0 or `check` is false.
    """
    path = job if isinstance(job, Path) else JOBS / f"{job}.py"
    if not path.is_file():
        raise FileNotFoundError(path)
    _compile()
    command = [interpreter or os.path.realpath(sys.executable), "-S", str(path.resolve()), *arguments]
    with tempfile.TemporaryDirectory(prefix="tomoyo-vm-") as name:
        share = Path(name)
        _fill(share / "files", files or {})
        (share / "run").write_text(_script(command), encoding="utf-8")
        settings = f"TOMOYO_trigger={TRIGGER} TOMOYO_loader={loader}" if loader else ""
        timed_out = _boot(kernel, share, f"{settings} {command_line}".strip(), processors, steady, timeout)
        result = _collect(share, timed_out)
    if check and (result.status != 0 or result.panicked is not None or timed_out):
        raise GuestFailure(path.stem, result)
    return result


@cache
def _compile() -> None:
    """Compile what jobs import: the guest, which can write nothing of the host, would do it again in every process."""
    for folder in ("tomoyo", "tests"):
        compileall.compile_dir(ROOT / folder, quiet=2)


def _script(command: Sequence[str]) -> str:
    """The script that is PID 1. It opens what it needs beforehand: the job may leave it in a domain that may not."""
    return f"""\
exec 3>/proc/sysrq-trigger 4>{SHARE}/status
export PATH={shlex.quote(os.environ.get("PATH", os.defpath))}:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={shlex.quote(str(ROOT))}
cd {SHARE}/files
{shlex.join(command)} </dev/null >{SHARE}/stdout 2>{SHARE}/stderr
echo $? >&4
echo b >&3
read forever <&3
"""


def _boot(kernel: Kernel, share: Path, command_line: str, processors: int, steady: bool, timeout: float) -> bool:
    """Run the machine until it stops; true if it had to be killed for using the processor longer than `timeout` seconds."""
    # Most are alike until their script begins, and get there once.
    kept = asleep(kernel, command_line) if command_line in USUAL and processors == 1 and not steady else None
    for attempt in range(BOOTS):
        if kept and not attempt:
            command = [*_machine(kernel, share, f"{command_line} {FALL_ASLEEP}", 1, False), "-incoming", f"exec:cat {kept}"]
        else:
            command = _machine(kernel, share, command_line, processors, steady)
        wake = _line(share)
        with open(share / "qemu", "wb") as messages:
            machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages)
        try:
            if "-incoming" in command:
                # What comes before the state has been read is lost with the state that the line had.
                os.write(wake, 16 * b"\n")
            if _stops(machine, min(timeout, BOOT_LIMIT)):
                if is_emulators_fault(share) or ("-incoming" in command and not (share / "status").exists()):
                    continue
                return False
            # A machine whose script has not even begun did nothing yet, and may be started again.
            if timeout > BOOT_LIMIT and not (share / "status").exists():
                continue
            return not _stops(machine, timeout)
        finally:
            machine.kill()
            machine.wait()
            os.close(wake)
    return True


def _machine(kernel: Kernel, share: Path, command_line: str, processors: int, steady: bool) -> list[str]:
    """The command that runs a machine; its second line is the pipe `wake` in `share`."""
    # KVM exists but hangs on some machines.
    accelerator = ("tcg,thread=single", "-icount", "shift=2") if steady else ("tcg,thread=multi",)
    command = ["qemu-system-x86_64", "-accel", *accelerator, "-cpu", PROCESSOR, "-machine", "q35"]
    command += ["-smp", str(processors), "-m", "2048", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{share}/console", "-chardev", f"pipe,id=wake,path={share}/wake", "-serial", "chardev:wake"]
    command += ["-kernel", str(kernel.image), "-initrd", str(initramfs(kernel)), "-append", f"{COMMAND_LINE} {command_line}"]
    command += ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
    return [*command, "-virtfs", f"local,path={share},mount_tag=share,security_model=none"]


def _line(share: Path) -> int:
    """The machine's second line: a descriptor to write to. What the machine says is in the pipe `wake.out`."""
    for name in ("wake.in", "wake.out"):
        if not (share / name).exists():
            os.mkfifo(share / name)
    return os.open(share / "wake.in", os.O_RDWR)


@cache
def asleep(kernel: Kernel, command_line: str) -> Path | None:
    """The state of a machine that waits before anything of the host is mounted, made at its first use; None if there is none.

    Waking it takes a tenth of the time that booting takes.
    """
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, check=True).stdout
    alike = repr(_machine(kernel, Path("share"), f"{command_line} {FALL_ASLEEP}", 1, False)).encode() + version
    name = f"asleep-{kernel.release}-{hashlib.sha256(alike).hexdigest()[:16]}"
    try:
        return cached(name, lambda workshop: _fall_asleep(kernel, command_line, workshop)) / "state"
    except TimeoutError:
        return None


def _fall_asleep(kernel: Kernel, command_line: str, workshop: Path) -> Path:
    """Boot a machine until it waits, and keep its state in a folder inside `workshop`."""
    folder = workshop / "asleep"
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="tomoyo-vm-") as name:
        share = Path(name)
        os.close(_line(share))
        command = [*_machine(kernel, share, f"{command_line} {FALL_ASLEEP}", 1, False), "-monitor", "stdio"]
        machine = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said = os.open(share / "wake.out", os.O_RDWR)
        try:
            if not select.select([said], [], [], FALLING_ASLEEP)[0]:
                raise TimeoutError
            keep = f'migrate_set_parameter max-bandwidth 9999M\nmigrate "exec:cat > {folder}/state"\nquit\n'
            machine.communicate(keep.encode(), FALLING_ASLEEP)
            if machine.returncode or not (folder / "state").exists():
                raise TimeoutError
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            machine.kill()
            machine.wait()
            os.close(said)
    return folder


def _stops(machine: subprocess.Popen[bytes], limit: float) -> bool:
    """Wait until `machine` stops; false once it has used the processor for `limit` seconds in all, or does nothing."""
    interval = 0.2
    for _ in range(round(PATIENCE * limit / interval)):
        with suppress(subprocess.TimeoutExpired):
            machine.wait(interval)
            return True
        # The 14th and 15th field, after a name that may have spaces: time in the program and in the kernel for it.
        fields = Path(f"/proc/{machine.pid}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > limit:
            return False
    return False


def is_emulators_fault(share: Path) -> bool:
    """Whether the kernel met half of an instruction that it was itself changing, before the script began.

    Such a breakpoint is there for the other processor to trap on; sometimes QEMU gives the trap to a processor that then finds
    the instruction changed already, which a real one cannot see.
    """
    return not (share / "status").exists() and "Oops: int3: 0000" in _text(share / "console")


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _collect(share: Path, timed_out: bool) -> Result:
    folder = share / "files"
    # Sockets, pipes and links that the job made are real ones on the host, too: opening them would hang or lead astray.
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    console = _text(share / "console") + _text(share / "qemu")
    panic = re.search(r"Kernel panic - not syncing: (.*)", console)
    status = _text(share / "status").strip()
    return Result(
        status=int(status) if status else None,
        stdout=_text(share / "stdout"),
        stderr=_text(share / "stderr"),
        console=console,
        files={path.relative_to(folder).as_posix(): path.read_bytes() for path in files},
        panicked=panic[1].strip() if panic else None,
        timed_out=timed_out,
    )


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="backslashreplace") if path.exists() else ""


def _verdict(result: Result) -> str:
    if result.panicked is not None:
        return f"ended in a kernel panic: {result.panicked}"
    if result.timed_out:
        return "was killed, as it took too long"
    if result.status is None:
        return "was never started, or its machine stopped"
    return f"ended with status {result.status}"
