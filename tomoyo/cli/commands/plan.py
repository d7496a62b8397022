"""Print the writes that lead from one policy to another, in a safe order.

With one policy: from what the kernel holds, as 'tomoyo activate --dry-run' does.
With two: from the first to the second, without any kernel.  The names of a
policy source stay names, since nothing says to which closure they belong; a file
has the default profiles.  Exit code 1 if there is anything to write.

Example:

  tomoyo compile -o old
  tomoyo compile -o new --closure /nix/var/nix/profiles/system-2-link
  tomoyo plan old new
"""

from __future__ import annotations

import argparse
import os

from ..kernel_options import add_interface, refused, securityfs
from ..options import UsageError, set_result
from ..policy_files import policy_errors, read_as_written, read_policy
from .activate import print_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...sets.directory import SetTexts
    from ...simulation.policy_reading import Texts


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "policies",
        nargs="+",
        metavar="PATH",
        help="the target policy, behind the current one (default: the running kernel's): a policy set, a policy source, "
        "a kernel's interface directory or a file of policy; - is standard input",
    )
    parser.add_argument("--keep-learned", action="store_true", help="keep what domains learned that go on learning")
    add_interface(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...activation.activation import activate, refuse_damaged, refuse_unbootable
    from ...activation.outcome import ActivationError
    from ...activation.plan import Plan
    from ...activation.planner import plan, read_wanted
    from ...kernel.held_policy import read_held_texts
    from ...sets.directory import PolicySetError
    from ...syntax.lines import PolicySyntaxError

    if len(arguments.policies) > 2:
        raise UsageError("give one policy, or two")
    learned = arguments.keep_learned
    *before, target = arguments.policies
    try:
        directory = _set_directory(target)
        if directory is not None and not before:
            found = activate(directory, securityfs(arguments), keep_learned=learned, dry_run=True).plan or Plan()
        else:
            held = _held_texts(before[0]) if before else read_held_texts(securityfs(arguments))
            wanted = _texts(target)
            refuse_damaged(wanted)
            reading = read_wanted(wanted)
            reading.parse(list(reading.blocks))
            refuse_unbootable(reading)
            found = plan(held, wanted, keep_learned=learned)
    except PolicySyntaxError:
        raise
    except PolicySetError as error:
        raise UsageError.of(error.diagnostic) from None
    except (ActivationError, ValueError) as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        return refused(error)
    if arguments.json:
        set_result({"changes": found.count, "plan": found.text().splitlines()})
    else:
        print_plan(found)
    return 1 if found else 0


def _set_directory(path: str) -> str | None:
    """The policy set that PATH is, or that has the file PATH; None for any other form."""
    from ...nix.source.policy_files import PolicyForm, form_of
    from ...sets.directory import FILES, MANIFEST, REQUIRED

    if path == "-":
        return None
    if not os.path.lexists(path) or os.path.islink(path):
        return path  # of which is said what is wrong
    with policy_errors():
        if form_of(path) is not PolicyForm.SET:
            return None
    directory = path if os.path.isdir(path) else os.path.dirname(path) or "."
    names = set(os.listdir(directory))
    # Without profiles it is what somebody put together by hand.
    return directory if MANIFEST in names or {FILES[name] for name in REQUIRED} <= names else None


def _held_texts(path: str) -> Texts:
    """What a kernel holds that has the policy at PATH: what it prints, or what a boot of the policy leaves."""
    from ...nix.source.policy_files import PolicyForm, form_of
    from ...sets.policy_set import policy_set_of

    texts = _texts(path)
    with policy_errors():
        is_printed = path != "-" and form_of(path) is PolicyForm.KERNEL
    return texts if is_printed else policy_set_of(texts).as_held()


def _texts(path: str) -> SetTexts:
    """The policy at PATH as texts of a set."""
    from ...model.profiles import default_profiles
    from ...nix.source.policy_files import PolicyForm
    from ...sets.directory import SetTexts, read_set_texts
    from ...syntax import formatting
    from ...syntax.policy_text import TextKind

    directory = _set_directory(path)
    if directory is not None:
        return read_set_texts(directory)
    found = read_policy(path, None, default="domain")
    if found.form is PolicyForm.KERNEL:
        return SetTexts("", {os.path.basename(file.name): file.text for file in found.files})
    loaded = read_as_written(found, "nothing is planned")
    profiles = loaded.profiles
    namespaces = dict.fromkeys(domain.name.namespace for domain in loaded.domains)
    return SetTexts(
        "",
        {
            "domain_policy": formatting.format_domain_policy(loaded.domains),
            "exception_policy": formatting.format_exception_policy(loaded.exceptions),
            "profile": default_profiles(namespaces) if profiles is None else formatting.format_profile(profiles),
            "manager": formatting.format_manager(loaded.managers),
            "stat": "".join(file.text for file in found.files if file.kind is TextKind.STAT),
        },
    )
