"""Find the texts of a policy, and what holds them.

    a policy source         a directory with domains/, exceptions/, modules/, module-numbers.conf or state.conf,
                            or whose domain_policy.conf uses a module by its name
    a part of one           its directory domains/, exceptions/ or modules/
    a policy set            a directory that `compile` wrote, or tomoyo-savepolicy: it has a domain_policy.conf
    a kernel's interface    a directory with the file domain_policy, such as /sys/kernel/security/tomoyo
    a file                  by its name and its directory, else by its first lines

A file of a policy source is read with the rest of its source: its modules,
groups and profiles count, other domains do not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum

from ...model.diagnostics import Diagnostic, Place, Severity
from ...model.errors import BINARY, TomoyoError, is_binary
from ...model.words import is_namespace
from ...syntax.domain_policy import read_source_line
from ...syntax.lines import normalise, read_line
from ...syntax.policy_text import SUFFIX, PolicyText, TextKind
from ...syntax.statements import UseGroup, UseModule
from .files import FILES, FOLDERS, STATE_FILE, SourceError, read_directories
from .kinds import INTERFACES, NOTHING, SET, has_lines, kind_by_content, kind_by_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PolicyFiles", "PolicyForm", "PolicyLoadError", "read_policy_files"]

_COMPILED = {"manifest.json", "bindings.conf"}
_HEAD = 1024
#: The head of an audit record; to a kernel that takes policy it is a comment.
_RECORD = re.compile(r"\s*#[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}# profile=")
_SOURCE = {*FOLDERS, "module-numbers.conf", STATE_FILE}


class PolicyForm(Enum):
    """What holds a policy."""

    FILE = "a file"
    SOURCE = "a policy source"
    SET = "a policy set"
    KERNEL = "a kernel"


class PolicyLoadError(TomoyoError, ValueError):
    """Nothing that holds a policy, or it cannot be said what.

    Attributes: path; reason, what is wrong; help, what to do, which may be empty.
    """

    def __init__(self, path: str, reason: str, help: str = "") -> None:
        super().__init__(path, reason, help)
        self.path = path
        self.reason = reason
        self.help = help

    @property
    def diagnostic(self) -> Diagnostic:
        """The same as a diagnostic."""
        return Diagnostic(Severity.ERROR, "no-policy", self.reason, self.help, Place(self.path))

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """The texts at one path.

    Attributes:
        form: what the path is, or for a file what it belongs to: a file of a policy source is of form SOURCE.
        path: the file or the directory.
        files: the texts that are meant.
        others: the rest of the policy source that a file belongs to.
    """

    form: PolicyForm
    path: str
    files: tuple[PolicyText, ...]
    others: tuple[PolicyText, ...] = ()

    @property
    def has_modules(self) -> bool:
        """Whether ``use_group`` may name a module here: a kernel knows numbers alone."""
        return self.form in (PolicyForm.FILE, PolicyForm.SOURCE)


def read_policy_files(
    path: str | os.PathLike[str],
    *,
    kind: TextKind | None = None,
    default: TextKind | None = None,
    data: bytes | None = None,
    form: PolicyForm | None = None,
    read: Callable[[str], str] | None = None,
) -> PolicyFiles:
    """Read the policy texts at PATH.

    Arguments:
        path: a file, a policy source, a policy set, or a kernel's interface directory.
        kind: what a file holds; of a directory, only files of this kind are given.
        default: what a file holds where neither its place nor its text says so.
        data: what the file holds, where it was read already, as standard input is; PATH is only its name then.
        form: what a directory is, where this is known.
        read: gives what a kernel's interface file of some name holds, as ``Securityfs(path).read`` does with better errors.

    Raises PolicyLoadError where there is no policy, or where what a file holds
    is not clear; SourceError for a policy source with a file at the wrong place;
    OSError for what cannot be read.
    """
    path = os.fspath(path)
    if data is None and (form is not None or os.path.isdir(path)):
        found = (None if form else _read_folder(path)) or _read_directory(path, form or _form_of(path), read)
        return replace(found, files=tuple(file for file in found.files if kind in (None, file.kind)))
    if data is None:
        with open(path, "rb") as file:
            data = file.read()
    text = data.decode("latin-1")
    kind = kind or _kind_of(path, text, default)
    source = _source_of(path)
    if source is not None:
        try:
            files = read_directories([source])
        except SourceError:
            files = []  # whatever is wrong elsewhere, this file is read
        own = next((file for file in files if os.path.samefile(file.name, path)), None)
        if own is not None:
            others = tuple(file for file in files if file is not own)
            return PolicyFiles(PolicyForm.SOURCE, path, (replace(own, name=path, kind=kind),), others)
    form = PolicyForm.SET if source is None and _is_of_a_set(path) else PolicyForm.FILE
    return PolicyFiles(form, path, (PolicyText(kind, path, text),))


def form_of(path: str) -> PolicyForm:
    """What PATH is, or for a file what it belongs to; errors as in `read_policy_files`."""
    if os.path.isdir(path):
        return PolicyForm.SOURCE if _read_folder(path) else _form_of(path)
    if _source_of(path) is not None:
        return PolicyForm.SOURCE
    return PolicyForm.SET if _is_of_a_set(path) else PolicyForm.FILE


def used_groups(text: str) -> list[UseGroup | UseModule]:
    """What the ``use_group`` lines of TEXT, of domain policy, say, each once."""
    lines = dict.fromkeys(raw for raw in text.split("\n") if "use_group" in raw)
    found = (read_line(raw, read_source_line)[0] for raw in lines)
    return [said for said in dict.fromkeys(found) if isinstance(said, (UseGroup, UseModule))]


def used_modules(text: str) -> list[str]:
    """The modules that TEXT uses by their names."""
    return [said.name for said in used_groups(text) if isinstance(said, UseModule)]


def named_namespaces(text: str) -> list[str]:
    """The namespaces that lines of TEXT begin with, each once."""
    first = (normalise(raw).partition(" ")[0] for raw in text.split("\n") if "<" in raw)
    return list(dict.fromkeys(word for word in first if is_namespace(word)))


def _form_of(directory: str) -> PolicyForm:
    """What DIRECTORY is."""
    names = set(os.listdir(directory))
    if names & _COMPILED:
        return PolicyForm.SET
    below = _sources_below(directory, names)
    if below and not names & {"domains", "exceptions", *FILES} - {"module-numbers.conf"}:
        what = f"{len(below)} policy sources are in this directory" if len(below) > 1 else "a policy source is in this directory"
        raise PolicyLoadError(directory, f"{what}, which is none itself", f"give one of them, such as {below[0]}")
    if names & _SOURCE:
        return PolicyForm.SOURCE
    if "domain_policy.conf" in names:
        with open(os.path.join(directory, "domain_policy.conf"), "rb") as file:
            return PolicyForm.SOURCE if used_modules(file.read().decode("latin-1")) else PolicyForm.SET
    if "domain_policy" in names:
        return PolicyForm.KERNEL
    if any(get_close_matches(name, [*FILES, *FOLDERS], 1, 0.85) for name in names if not name.startswith(".")):
        return PolicyForm.SOURCE  # of which it is said what nothing reads
    expected = f"a policy source has {', '.join(f'{name}/' for name in FOLDERS)}; a policy set has domain_policy.conf"
    raise PolicyLoadError(directory, "no policy in this directory", expected)


def _sources_below(directory: str, names: set[str]) -> list[str]:
    """The policy sources in DIRECTORY, which has NAMES, or in a directory in it, as the policy library has them; sorted."""
    found = []
    for name in sorted(names - FOLDERS.keys()):
        path = os.path.join(directory, name)
        inside = _names(path)
        if inside & _SOURCE:
            found.append(path)
        else:
            found += [os.path.join(path, one) for one in sorted(inside) if _names(os.path.join(path, one)) & _SOURCE]
    return found


def _read_folder(path: str) -> PolicyFiles | None:
    """The texts in PATH, ``domains`` or another directory of a policy source, and the rest of that source; else None."""
    above, folder = os.path.split(os.path.abspath(path))
    names = _names(path)
    if folder not in FOLDERS or names & _SOURCE or not any(name.endswith(SUFFIX) for name in names):
        return None
    try:
        files = read_directories([os.path.relpath(above)])
    except SourceError:  # whatever is wrong elsewhere, these files are read
        files = []
        for name in sorted(name for name in names if name.endswith(SUFFIX) and not name.startswith(".")):
            with open(os.path.join(path, name), "rb") as file:
                files.append(PolicyText(FOLDERS[folder], os.path.join(path, name), file.read().decode("latin-1")))
    own = [file for file in files if os.path.dirname(os.path.abspath(file.name)) == os.path.abspath(path)]
    meant = tuple(replace(file, name=os.path.join(path, os.path.basename(file.name))) for file in own)
    return PolicyFiles(PolicyForm.SOURCE, path, meant, tuple(file for file in files if file not in own))


def _read_directory(path: str, form: PolicyForm, read: Callable[[str], str] | None) -> PolicyFiles:
    if form is PolicyForm.SOURCE:
        return PolicyFiles(form, path, tuple(read_directories([path])))

    def plainly(name: str) -> str:
        with open(os.path.join(path, name), "rb") as file:
            return file.read().decode("latin-1")

    names, text = SET, read or plainly
    if form is PolicyForm.KERNEL:
        names = {name: kind for kind, name in INTERFACES.items()}
    # Three of a kernel's files stand for it well enough.
    needed = ("domain_policy", "exception_policy", "profile")
    found = [name for name in names if name in needed or os.path.lexists(os.path.join(path, name))]
    return PolicyFiles(form, path, tuple(PolicyText(names[name], os.path.join(path, name), text(name)) for name in found))


def _source_of(path: str) -> str | None:
    """The policy source that the file PATH is in; None where it is in none."""
    directory, name = os.path.split(os.path.abspath(path))
    above, folder = os.path.split(directory)
    if folder in FOLDERS and name.endswith(SUFFIX):
        return os.path.relpath(above)
    beside = _names(directory) if name in FILES else set()
    return os.path.relpath(directory) if beside & _SOURCE and not beside & _COMPILED else None


def _is_of_a_set(path: str) -> bool:
    directory, name = os.path.split(os.path.abspath(path))
    return name in SET and bool(_names(directory) & _COMPILED)


def _names(directory: str) -> set[str]:
    """The names in DIRECTORY, as far as they may be known."""
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


def _kind_of(path: str, text: str, default: TextKind | None) -> TextKind:
    if _RECORD.match(text):
        raise PolicyLoadError(path, "an audit log, not policy", "'tomoyo suggest' suggests policy from audit logs")
    kind = kind_by_place(path) or kind_by_content(text)
    if isinstance(kind, TextKind):
        return kind
    if default is not None and (kind != NOTHING or not has_lines(text)):
        return default
    if is_binary(text[:_HEAD].encode("latin-1")):
        raise PolicyLoadError(path, *BINARY)
    words = "|".join(one.name.lower() for one in TextKind)
    raise PolicyLoadError(path, f"cannot tell what kind of policy this is: {kind}", f"say so with --kind {words}")
