"""The kernel's policy loader: a POSIX shell script that belongs to a compiled set.

The kernel executes it before the first program, with no argument and hardly any
``PATH``, where neither Python nor ``/etc`` may be there yet, and panics if a
domain's profile is not defined afterwards.  The script (``boot.sh`` beside this
module) loads the set that it lies in.  A set that is missing, damaged or would
make the kernel panic gives way to the one that was in use before, and at last
to profile 0 for everything; the kernel log has the reason.

Use ``boot_script`` when a set is written, ``check_boot`` to have the same
checks from Python.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..model.diagnostics import Diagnostic, Place, Severity
from ..model.errors import InvalidValueError, path_fault
from ..model.words import DomainName, quoted
from ..sets.checks import PANICS, check_policy_set, damaged
from ..sets.directory import FILES, MAX_FILE, PolicySetError
from ..sets.links import STATE
from ..sets.policy_set import read_policy_set
from ..simulation.policy_reading import PolicyReading
from .faults import boot_faults

if TYPE_CHECKING:
    from ..sets.policy_set import PolicySet

__all__ = ["boot_script", "check_boot"]

#: The longest first line that every kernel executes.
_MAX_INTERPRETER = 125
#: The lines of stat.conf that the loader takes.
_QUOTA = re.compile("Memory used by (policy|audit log|query message): *[0-9]+")
_BEGIN = "# settings: begin\n"
_END = "# settings: end\n"


def boot_script(
    directory: str | None = None,
    *,
    interpreter: str = "/bin/sh",
    search_path: Sequence[str] = (),
    sizes: Mapping[str, int] | None = None,
    previous: str | None = None,
    state: str = STATE,
    fallback: bool = True,
    managers: Sequence[str] = (),
    store: str = "/nix/store",
) -> str:
    """The text of a set's ``boot``; write it with mode 0755.

    Arguments:
        directory: the set, as an absolute path; None means the folder that the
            script itself lies in, so that the set can be moved.
        interpreter: a POSIX shell (dash, bash, busybox), as an absolute path;
            one argument may follow, as in ``/bin/busybox sh``.
        search_path: folders to look in for ``cat``, ``ls`` and ``mount``,
            before those that the kernel gives (/sbin:/bin:/usr/sbin:/usr/bin).
            Without cat loading is slow, without ls no other set is fallen back
            to, and without mount somebody else has to mount securityfs.
        sizes: the sizes in bytes of the set's files, by name; a file of another
            size is damaged.
        previous: a set to fall back to, before the links in the state folder.
        state: where ``current`` and ``previous`` lie, as ``activate`` puts them.
        fallback: whether everything runs unconfined where no set can be loaded;
            otherwise the kernel panics.
        managers: domains that are managers whatever is loaded in the place of
            the set; those of its manager.conf are, too, where nothing is.
        store: the store whose programs are named in MANAGERS.

    Raises InvalidValueError for what cannot stand in such a script.
    """
    for path in filter(None, (directory, previous, state, store, *search_path)):
        if not path.startswith("/") or not _is_plain(path) or path != path.rstrip("/"):
            raise InvalidValueError(f"not an absolute path of printable ASCII without a slash at its end: {quoted(path)}")
    for folder in search_path:
        if ":" in folder:
            raise InvalidValueError(f"a search path cannot hold a folder with a colon: {quoted(folder)}")
    for name, size in (sizes or {}).items():
        if "=" in name or not _is_plain(name) or size < 0:
            raise InvalidValueError(f"not a file and its size: {quoted(name)}: {size}")
    for manager in managers:
        if not _is_plain(manager):
            raise InvalidValueError(f"not a manager: {quoted(manager)}")
    _check_interpreter(interpreter)
    settings = {
        "directory": directory or "",
        "previous": previous or "",
        "state": state,
        "fallback": "yes" if fallback else "no",
        "search_path": ":".join(search_path),
        "sizes": "\n".join(f"{name}={size}" for name, size in (sizes or {}).items()),
        "managers": "\n".join(managers),
        "store": store,
        "largest_file": str(MAX_FILE),
        "interpreter": interpreter,
    }
    from importlib.resources import files

    template = files(__package__).joinpath("boot.sh").read_text(encoding="ascii")
    head, _, rest = template.partition(_BEGIN)
    body = rest.partition(_END)[2]
    first, _, comment = head.partition("\n")
    assert first == "#!/bin/sh"
    assert body
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    return f"#!{interpreter}\n{comment}{_BEGIN}{lines}{_END}{body}"


def domain_managers(text: str) -> list[str]:
    """The managers in TEXT, a set's, that are domains: programs have paths, which differ with each version."""
    from ..syntax.lines import Reading
    from ..syntax.managers import parse_manager

    managers = parse_manager(text, reading=Reading.AS_KERNEL).managers
    return [str(manager) for manager in managers if isinstance(manager, DomainName)]


def _is_plain(path: str) -> bool:
    """Whether PATH is printable ASCII: busybox's ls shows a question mark for all else, and so the loader does not find it."""
    return path.isascii() and path.isprintable()


def _check_interpreter(interpreter: str) -> None:
    words = interpreter.split(" ")
    if not interpreter.startswith("/") or not _is_plain(interpreter) or len(words) > 2 or "" in words:
        raise InvalidValueError(f"not an absolute path of printable ASCII with one argument at most: {quoted(interpreter)}")
    if len(interpreter) > _MAX_INTERPRETER:
        raise InvalidValueError(f"an interpreter is at most {_MAX_INTERPRETER} bytes long: {quoted(interpreter)}")


def script_for(
    directory: str | os.PathLike[str],
    *,
    interpreter: str = "/bin/sh",
    search_path: Sequence[str] = (),
    previous: str | None = None,
    state: str = STATE,
    fallback: bool = True,
) -> str:
    """A loader for the set in DIRECTORY, at that place and with the sizes that its files have now.

    Arguments are as in ``boot_script``.  Raises PolicySetError where the set
    cannot be read, InvalidValueError as above.
    """
    policy = read_policy_set(directory)
    texts = {file: getattr(policy, name) for name, file in FILES.items() if name != "boot"}
    return boot_script(
        os.path.realpath(directory),
        interpreter=interpreter,
        search_path=search_path,
        sizes={file: len(text) for file, text in texts.items() if os.path.lexists(os.path.join(directory, file))},
        previous=previous,
        state=state,
        fallback=fallback,
        managers=domain_managers(policy.manager),
        store=policy.store_directory,
    )


def check_boot(directory: str | os.PathLike[str]) -> list[Diagnostic]:
    """Find what a kernel that boots with the set in DIRECTORY would meet, in the order in which it would.

    With any error a system may not come up, or the loader refuses the set.  What
    only the running kernel knows, such as whether a quota is too small, is not
    found.  Files outside of the set are named by their whole path.
    """
    path = os.path.normpath(os.path.join(os.getcwd(), directory))
    try:
        policy = read_policy_set(path)
    except PolicySetError as error:
        inside = os.path.dirname(error.path) == path
        return [damaged(os.path.basename(error.path) if inside else error.path, error.reason, error.help)]
    except OSError as error:
        return [damaged(str(error.filename or path), *path_fault(error))]
    found = [*_check_loader(policy, path), *_check_quotas(policy)]
    if not _is_plain(path):
        found.insert(0, damaged(path, "its loader takes only a path of printable ASCII"))
    judged = check_policy_set(policy)
    reading = PolicyReading(policy)
    reading.parse(list(reading.blocks))
    for fault in boot_faults(reading):
        # The simulated kernel tells of each domain.
        if fault.code not in PANICS or not any(problem.code in PANICS for problem in judged):
            found.append(fault)
    return [*found, *judged]


def _check_quotas(policy: PolicySet) -> list[Diagnostic]:
    """Quotas that a kernel would take, but the loader leaves out, as it must know them to be large enough."""
    return [
        Diagnostic(
            Severity.WARNING,
            "dropped-line",
            "the boot loader leaves this out",
            "write 'Memory used by policy: BYTES'",
            Place(FILES["stat"], number, 1, line),
        )
        for number, line in enumerate(policy.stat_settings().split("\n"), 1)
        if line.lstrip().startswith("Memory used by ") and not _QUOTA.fullmatch(line)
    ]


def _check_loader(policy: PolicySet, path: str) -> list[Diagnostic]:
    """What would keep the kernel from executing the set's loader, if it has one."""
    if policy.boot is None:
        return []
    found = []
    if not os.access(os.path.join(path, FILES["boot"]), os.X_OK):
        found.append(replace(damaged(FILES["boot"], "it cannot be executed"), help="'chmod 755' makes that possible"))
    first = policy.boot.partition("\n")[0]
    interpreter = first.removeprefix("#!").strip().partition(" ")[0]
    if not first.startswith("#!/") or not os.access(interpreter, os.X_OK):
        fault = damaged(FILES["boot"], f"its shell cannot be executed: {quoted(first)}")
        found.append(replace(fault, place=Place(FILES["boot"], 1, 1, first)))
    sizes = _known_sizes(policy.boot)
    texts = {file: getattr(policy, name) for name, file in FILES.items() if name != "boot"}
    for file, text in texts.items():
        if sizes.get(file, len(text)) != len(text):
            message = f"has {len(text)} bytes, and the set's loader takes only one of {sizes[file]}"
            found.append(damaged(file, message))
    return found


def _known_sizes(script: str) -> dict[str, int]:
    """The sizes that the loader SCRIPT has baked in; none where it is another's."""
    settings = script.partition(_BEGIN)[2].partition(_END)[0]
    try:
        sizes = [word.partition("=")[2] for word in shlex.split(settings) if word.startswith("sizes=")]
        return {name: int(size) for line in sizes for name, _, size in (known.partition("=") for known in line.split())}
    except ValueError:
        return {}
