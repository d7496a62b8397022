"""Every reason why TOMOYO does not work on a machine, each with its remedy.

Checks come in the order in which a boot meets them: the kernel's configuration,
its command line, securityfs, the trigger and the loader, then the policy that
is held.  The first reason is usually the cause of those below it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..model.diagnostics import Diagnostic, Severity
from ..model.words import quoted
from ..sets.checks import check_policy_set
from ..sets.policy_set import PolicySet
from .machine import Machine
from .modes import UNDEFINED, read_profiles
from .securityfs import Securityfs, SecurityfsError

if TYPE_CHECKING:
    from ..model.domains import DomainPolicy
    from .modes import ProfileModes

__all__ = ["diagnose"]

#: Where the interface files are, below a machine's root.
FOLDER = "sys/kernel/security/tomoyo"
#: What the kernel takes where nothing says otherwise.
TRIGGER = "/sbin/init"
LOADER = "/sbin/tomoyo-init"
#: Domains named in one finding.
SHOWN = 5
#: What the kernel logs where the trigger is executed and the loader is not there.
_MISSING_LOADER = re.compile(r"Not activating Mandatory Access Control as (.*) does not exist")


class _Reason(NamedTuple):
    """Which check found it, what is wrong, and what to do; on NixOS and finix, where that is another thing."""

    check: str
    reason: str
    remedy: str
    nixos: str = ""


def diagnose(machine: Machine) -> list[Diagnostic]:
    """Find every reason why TOMOYO does not work on MACHINE; nothing where it does.

    Each is an error whose code names the check that found it.  Where MACHINE's
    interface files are copies of a kernel's, they do not show whether policy is
    in force, and nothing is said of that.
    """
    return _diagnostics(machine, _reasons(machine))


def why_inactive(machine: Machine) -> list[Diagnostic]:
    """Find every reason why policy is not in force on MACHINE, where it is not."""
    return _diagnostics(machine, _inactive(machine))


def _diagnostics(machine: Machine, found: list[_Reason]) -> list[Diagnostic]:
    return [Diagnostic(Severity.ERROR, each.check, each.reason, _help(each, machine.is_nixos)) for each in found]


def _help(reason: _Reason, is_nixos: bool) -> str:
    return f"{reason.nixos} (by hand: {reason.remedy})" if is_nixos and reason.nixos else reason.remedy


def _reasons(machine: Machine) -> list[_Reason]:
    folder = machine.path(FOLDER)
    if not os.path.isdir(folder):
        found = [*_kernel(machine), *_loader(machine)]
        try:
            os.stat(folder)
        except PermissionError:
            found.append(_Reason("access", f"{folder}: only root may look there", "run this as root"))
        except OSError:
            pass  # there is none, which the others have told
        return found
    securityfs = Securityfs(folder, machine.path("proc"))
    try:
        active = securityfs.active
    except SecurityfsError as error:
        return [*_kernel(machine), *_loader(machine), _Reason("access", str(error), "run this as root")]
    if active is False:
        return _inactive(machine)
    found = [*_kernel(machine)]
    if active is None:
        found += _loader(machine)
        if securityfs.is_kernel:
            found.append(
                _Reason(
                    "active",
                    "cannot find out whether TOMOYO is active: <kernel> defines all profiles, or memory is nearly at its quota",
                    "look for 'Mandatory Access Control activated' in the kernel log",
                )
            )
    return [*found, *_policy(securityfs)]


def _inactive(machine: Machine) -> list[_Reason]:
    found = [*_kernel(machine), *_trigger(machine)]
    loader = [*_loader(machine)]
    return found + (loader or [_waiting(machine)])


def _kernel(machine: Machine) -> Iterator[_Reason]:
    for check in (_configuration, _modules, _mount):
        yield from check(machine)


# The kernel


def _configuration(machine: Machine) -> Iterator[_Reason]:
    configuration = machine.configuration
    if not configuration:
        return
    if configuration.get("SECURITY_TOMOYO") != "y":
        yield _Reason(
            "configuration",
            f"the kernel {machine.release} was built without CONFIG_SECURITY_TOMOYO=y",
            "boot a kernel that has it, such as Debian's",
            'security.tomoyo.enable = true; or, by hand, boot.kernelPatches = [ { name = "tomoyo"; patch = null; '
            "structuredExtraConfig.SECURITY_TOMOYO = lib.kernel.yes; } ];",
        )
    elif configuration.get("SECURITY_TOMOYO_OMIT_USERSPACE_LOADER") == "y":
        yield _Reason(
            "configuration",
            "the kernel was built with CONFIG_SECURITY_TOMOYO_OMIT_USERSPACE_LOADER=y: it runs no loader",
            "build it without",
            "structuredExtraConfig.SECURITY_TOMOYO_OMIT_USERSPACE_LOADER = lib.kernel.no;",
        )


def _modules(machine: Machine) -> Iterator[_Reason]:
    """Which security modules are on, and why."""
    parameters = machine.parameters
    chosen = parameters.get("security")
    modules = machine.text("sys/kernel/security/lsm").strip()
    wanted = parameters.get("lsm")
    nixos = 'security.lsm = [ "tomoyo" ]; and no security= in boot.kernelParams (finix: security.tomoyo.kernel.lsm)'
    if machine.is_nixos and chosen is not None:
        yield _Reason(
            "modules",
            f"the command line has security={chosen}, which NixOS refuses beside lsm=",
            "take it away, and name tomoyo in lsm=",
            nixos,
        )
    if "tomoyo" in modules.split(","):
        return
    if wanted is not None and "tomoyo" not in wanted.split(","):
        yield _Reason("modules", f"the command line has lsm={wanted}, without tomoyo", f"boot with lsm={wanted},tomoyo", nixos)
    elif wanted is None and chosen not in (None, "tomoyo"):
        yield _Reason(
            "modules",
            f"the command line has security={chosen}, which leaves out every other module of its kind",
            "name all modules in lsm= instead",
            nixos,
        )
    elif modules:
        yield _Reason(
            "modules", f"TOMOYO is not among the kernel's modules ({modules})", f"boot with lsm={modules},tomoyo", nixos
        )
    elif wanted is None and chosen is None and "tomoyo" not in machine.configuration.get("LSM", "tomoyo").split(","):
        modules = machine.configuration["LSM"]
        yield _Reason(
            "modules", f"the kernel starts {modules} by default, without tomoyo", f"boot with lsm={modules},tomoyo", nixos
        )


def _mount(machine: Machine) -> Iterator[_Reason]:
    if os.path.isdir(machine.path(FOLDER)):
        return
    points = [fields[1] for line in machine.text("proc/mounts").splitlines() if (fields := line.split())[2:3] == ["securityfs"]]
    if "/sys/kernel/security" not in points:
        elsewhere = f", but on {points[0]}" if points else ""
        yield _Reason(
            "mount",
            f"securityfs is not mounted on /sys/kernel/security{elsewhere}",
            "mount -t securityfs securityfs /sys/kernel/security",
            "NixOS does so by itself; on finix security.tomoyo.enable does",
        )
    elif "tomoyo" in machine.text("sys/kernel/security/lsm").strip().split(","):
        yield _Reason(
            "mount", "securityfs shows no folder tomoyo, although the module is on", "look for errors in the kernel log"
        )


def _trigger(machine: Machine) -> Iterator[_Reason]:
    default = machine.configuration.get("SECURITY_TOMOYO_ACTIVATION_TRIGGER", TRIGGER)
    trigger = machine.parameters.get("TOMOYO_trigger", default)
    given = "TOMOYO_trigger" in machine.parameters
    nixos = "TOMOYO_trigger=/run/current-system/systemd/lib/systemd/systemd; security.tomoyo.enable sets it"
    remedy = "boot with TOMOYO_trigger= and the very name that the first program is executed by"
    first = machine.text("proc/1/cmdline").partition("\0")[0]
    executable = machine.is_executable(trigger)
    if not trigger.startswith("/"):
        yield _Reason("trigger", f"the trigger {quoted(trigger)} is no absolute path", remedy, nixos)
    elif executable is None:
        yield _Reason("trigger", f"there is no {trigger}, whose execution would activate TOMOYO", remedy, nixos)
    elif not executable:
        yield _Reason("trigger", f"the trigger {trigger} cannot be executed", remedy, nixos)
    elif first.startswith("/") and first != trigger:
        how = "the command line names" if given else "the kernel waits for"
        reason = f"{how} {trigger} as the trigger, but the first program was executed as {first}: they are compared as text"
        yield _Reason("trigger", reason, f"boot with TOMOYO_trigger={first}", nixos)


def _loader(machine: Machine) -> Iterator[_Reason]:
    default = machine.configuration.get("SECURITY_TOMOYO_POLICY_LOADER", LOADER)
    loader = machine.parameters.get("TOMOYO_loader", default)
    remedy = "boot with TOMOYO_loader= and the path of a set's boot loader, which 'tomoyo compile' writes"
    nixos = "security.tomoyo.enable = true; sets TOMOYO_loader"
    executable = machine.is_executable(loader) if loader.startswith("/") else None
    if executable is None:
        yield _Reason("loader", f"the policy loader {loader} is not there, so nothing is activated", remedy, nixos)
    elif not executable:
        yield _Reason("loader", f"the policy loader {loader} is no file that can be executed", f"chmod 755 {loader}", nixos)
    elif missing := _MISSING_LOADER.findall(machine.kernel_log):
        reason = f"the policy loader {missing[-1]} was not there when the trigger was executed, so nothing was activated"
        yield _Reason("loader", reason, "see that it is there before the first program is executed, and boot", nixos)


def _waiting(machine: Machine) -> _Reason:
    return _Reason(
        "active",
        "TOMOYO is there, but not active: the trigger has not been executed since the system came up",
        f"execute {machine.parameters.get('TOMOYO_trigger', TRIGGER)}, or see what is said about the trigger",
    )


# The policy


def _policy(securityfs: Securityfs) -> Iterator[_Reason]:
    try:
        held = PolicySet(
            domain_policy=securityfs.domain_policy(),
            exception_policy=securityfs.exception_policy(),
            profile=securityfs.profile(),
            manager=securityfs.manager(),
        )
        stat = securityfs.stat()
        modes = read_profiles(securityfs)
    except SecurityfsError as error:
        yield _Reason("access", str(error), "run this as root")
        return
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.lines import Reading

    if not held.manager.strip():
        yield _Reason(
            "managers",
            "there are no managers: nobody can change policy until the next boot",
            "name the domain that is to change policy, such as '<kernel> /usr/bin/tomoyo', in the set's manager.conf, and boot",
            "security.tomoyo.managers",
        )
    domains = parse_domain_policy(held.domain_policy, reading=Reading.AS_KERNEL)
    for check in (_modes, _flags):
        yield from check(domains, modes)
    yield from _undefined(held)
    yield from _memory(stat)


def _modes(domains: DomainPolicy, modes: ProfileModes) -> Iterator[_Reason]:
    states = [modes.of(domain) for domain in domains]
    undefined = [state.domain for state in states if state.mode == UNDEFINED]
    if undefined:
        yield _Reason(
            "profiles",
            f"these domains use a profile that is not defined: {_some(undefined)}",
            "define it in the set's profile.conf: a boot with this policy ends in a panic",
            "security.tomoyo.profiles",
        )
    if states and all(state.mode == "disabled" for state in states):
        yield _Reason(
            "profiles",
            "all domains are in disabled mode, so nothing is confined or learned",
            "put domains into another mode: 'tomoyo mode --name DOMAIN --set learning'",
            'security.tomoyo.policies.<name>.state = "learn"; or "permissive" or "enforce"',
        )


def _flags(domains: DomainPolicy, modes: ProfileModes) -> Iterator[_Reason]:
    exceeded = [domain.name.text for domain in domains if domain.quota_exceeded]
    failed = [domain.name.text for domain in domains if domain.transition_failed]
    if exceeded:
        yield _Reason(
            "quota-exceeded",
            f"these domains stopped learning at max_learning_entry: {_some(exceeded)}",
            "raise max_learning_entry in their profile's PREFERENCE, then write 'delete quota_exceeded' to the domain",
            "security.tomoyo.learning.maxEntries",
        )
    if failed:
        yield _Reason(
            "transition-failed",
            f"these domains have processes that should have entered another domain, and could not: {_some(failed)}",
            "look for too long domain names and for memory; then write 'delete transition_failed' to the domain",
        )


def _undefined(held: PolicySet) -> Iterator[_Reason]:
    codes = ("undefined-group", "undefined-acl-group")
    found = [problem.message for problem in check_policy_set(held) if problem.code in codes]
    if found:
        yield _Reason(
            "groups",
            f"these groups grant nothing: {_some(found)}",
            "define them, or take away what names them",
            "a name that nothing in the system's closure has is an empty group: security.tomoyo.strictNames finds them",
        )


def _memory(text: str) -> Iterator[_Reason]:
    from ..syntax.stat import parse_stat

    effects = {
        "policy": "new domains and entries are dropped, and an enforced program that needs a new domain cannot start",
        "audit log": "records are lost",
        "query message": "requests are denied without a question",
    }
    options = {"policy": "policy", "audit log": "audit", "query message": "query"}
    for memory in parse_stat(text).memory:
        used = memory.used or 0
        # What would exceed the quota is not stored, so use stays a little below it.
        if memory.quota and used + 4096 > memory.quota:
            yield _Reason(
                "quota",
                f"{used} of {memory.quota} bytes of memory for {memory.name} are in use: {effects[memory.name]}",
                f"echo 'Memory used by {memory.name}: {memory.quota * 2}' > /{FOLDER}/stat",
                f"security.tomoyo.quotas.{options[memory.name]}",
            )


def _some(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
