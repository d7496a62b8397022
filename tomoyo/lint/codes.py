r"""What lint can find: one table of codes, each with its severity, reason, remedy and explanation.

Command, documentation and tests read this table; the rules in the modules
``lint_...`` name its codes.  A code, once released, keeps its meaning, because
policies name it in comments.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.diagnostics import Severity

__all__ = ["LINT_CODES", "LintCode"]

_EASED = ("Too much at once", "Writing and executing")


@dataclass(frozen=True, slots=True)
class LintCode:
    """A kind of finding.

    Attributes:
        name: what options and comments call it.
        family: what it has to do with; a heading of the documentation.
        severity: how bad it is, where nothing makes it less so.
        reason: what is wrong, in one line.
        remedy: what to do, an imperative sentence.
        explanation: why it matters, and how it is found out.
    """

    name: str
    family: str
    severity: Severity
    reason: str
    remedy: str
    explanation: str

    @property
    def eased(self) -> bool:
        """Whether it is a step less bad in a domain where nothing is denied anyway, in disabled or learning mode."""
        return self.family in _EASED


#: Each code's name, severity and reason, on the second line the remedy, then the explanation.
_TABLE = r"""
## Lines and comments

dropped-line: error: the kernel drops this line
help: write what is expected there
The kernel reports no error for a line that it cannot read. The line grants nothing.

altered-line: error: the kernel stores something else than is written
help: write it in the form that the kernel prints, as 'tomoyo fmt' shows it
The kernel looks for keywords inside of words, and cuts lines at bytes that it does not know. The stored line may grant
more or less than the line says.

useless-line: warning: the kernel stores this, but it does nothing
help: use another operation or form, or delete the line
The kernel accepts operations that it never asks about, groups' members that are no patterns, and address ranges that fall.

unknown-code: warning: a comment allows a code that there is not
help: use one of the codes that 'tomoyo lint --list' shows
A comment '# lint: allow CODE' with a misspelt code allows nothing.

unused-allow: warning: a comment allows what is not found here
help: delete the comment
The finding that the comment allowed may be gone. A comment that is left behind would hide the next finding of its kind.

unreasoned-allow: note: a comment allows something and does not say why
help: write '# lint: allow CODE REASON'
A reader should not have to guess the reason.

## Too much at once

whole-system: error: a wildcard from the root directory on
help: name the directories that you mean, such as /var/lib/NAME/\{\*\}/\*
/\{\*\}/\* is every file of the system, the policy's own and other services' secrets included. Reading and looking at
attributes is a warning, everything else an error.

whole-tree: warning: a wildcard over all of a top-level directory
help: name the directories below that you mean
/etc/\{\*\}/\*, /home/\{\*\}/\* and the like span what belongs to many services and users. Below /proc, /sys, /run, /dev and
/usr reading is only worth a note.

whole-store: error: a wildcard over every package in the store
help: write @nix:/PACKAGE/path, or nix:/PACKAGE/path for what is executed
Anyone who may build can put a file of any content into the store, so this trusts every user. Reading is a warning, since
contents of the store are no secret; executing is an error.

store-pattern: error: a wildcard in a store path's hash or name
help: write @nix:/PACKAGE/path, or nix:/PACKAGE/path for what is executed
/nix/store/\*-nginx-\*/bin/nginx matches whatever anybody has built and called nginx. A name is bound to the packages of one
closure instead. Patterns in exec.argv and exec.envp are left out, because the caller of a program chooses these.

store-hash: note: a store path with its hash
help: write a name; 'tomoyo name' makes names of store paths
It means this one build and nothing after the next upgrade.

package-pattern: warning: a wildcard in a package's name
help: write an entry for each package that you mean
file execute nix:/\*/bin/sh matches the programs of all packages that are bound, those that are added later included.

reads-secret: warning: a wildcard that includes a well-known secret
help: name the files that you mean, or exclude the secret with '\-'
The pattern matches keys, password hashes, or devices from which everything can be read. An entry that names such a file
without a wildcard is taken for meant.

writes-system-file: warning: a wildcard that includes a file on which the system's security rests
help: name the files that you mean, or exclude the file with '\-'
A process that may change /etc/passwd, /etc/sudoers, the units of systemd, root's authorized_keys or a disk is as good as root.

any-program: warning: execution of everything in a directory
help: write an entry for each program; for files of one package use nix:/PACKAGE/...
Programs that are added later may be executed too, and they all run in one domain, which is named after the pattern.

any-variable: warning: environment variables that make programs load code
help: name each variable that is needed
LD_PRELOAD, PYTHONPATH, BASH_ENV and their like let the caller of a program run code in its domain. A pattern that includes
one is a warning, the variable by its name a note.

any-network: note: every address and every port
help: name the ports that are needed, or use an address_group and a number_group
A domain that is broken into can then send what it reads to anybody.

setuid-mode: warning: modes that make programs set-user-ID or set-group-ID
help: allow modes up to 01777 only, such as 0-0777
A program with the set-user-ID bit runs with the rights of its owner for everybody who may execute it.

any-device: warning: device files of any kind
help: name the major and minor numbers that are needed
A device file of a disk's or the memory's number gives access to all that is in it, whatever its name.

## Writing and executing

write-and-execute: error: one domain may change a file and execute it
help: use different directories for what is written and what is executed
A service that is broken into can then put its own program there and run it. Changing means: to write, append, create, rename
or link onto, change a mode, or to mount over or rename the directory above it.

store-write: error: the store's files may be changed
help: delete the entry: files in the store do not change
The store is what every domain executes and reads. Only the Nix daemon and the garbage collector write to it.

executed-elsewhere: warning: what this domain may change a more trusted domain executes
help: move one of the two to another place
More trusted than a domain are: every manager of the policy; a domain in disabled mode, unless it is in that mode itself; the
domains that it was started from, whose names its own name begins with.

configures-elsewhere: warning: what this domain may change a more trusted domain reads as configuration
help: move one of the two to another place
More trusted is meant as for executed-elsewhere. Taken for configuration are files that an entry of the other domain may read
below /etc or in a directory .config, .ssh or conf.d, those with an ending such as .conf, .ini, .service, .so, .sh or .py, and
shells' start-up files.

execute-temporary: warning: execution from a directory in which anybody may create files
help: execute programs from a directory that only root may write to
/tmp, /var/tmp, /dev/shm and /run/user belong to everybody.

## Entries that can never match

not-canonical: warning: a name that the kernel never uses
help: write the real path: absolute, without '//', '.' and '..'
The kernel compares with the real path of a file: '/PATH', or 'FILESYSTEM:/PATH' for proc and others (see never-asked).

never-asked: warning: a name that the kernel does not use for the file
help: write the name that the kernel uses
The kernel calls files of these filesystems FILESYSTEM:/PATH, wherever they are mounted: proc, devpts, securityfs, debugfs,
tracefs, mqueue, pstore, configfs, fusectl, efivarfs, selinuxfs, smackfs, binfmt_misc, nfsd, xenfs, rpc_pipefs, ocfs2_dlmfs and
autofs. It calls files of all others by their path: those of sysfs, devtmpfs, cgroup, cgroup2, bpf, hugetlbfs, binder, resctrl,
tmpfs and ramfs, too. An entry by the other name grants nothing. A pattern is reported only if all that it matches is below such
a mount point. A note for tmpfs and ramfs, since the kernel uses tmpfs:/PATH for files in a layer of an overlay.

wrong-directory: warning: a '/' at the end that is missing, or too much
help: end the names of directories with '/', and no others
The kernel ends the names of directories with '/', and no others. mkdir, rmdir, chroot and pivot_root are always about
directories; write, append, create, truncate, symlink, execute and the like never.

impossible-pattern: warning: a pattern that excludes all that it includes
help: change the pattern behind '\-'
'\-' means 'but not': what stands behind it must leave something over. Beware that the kernel looks for it behind the part of
the path that has no wildcard.

impossible-condition: warning: conditions that cannot hold together, or not for this operation
help: write one entry for each case, since all conditions of an entry must hold
A number cannot be two at once. exec.* is known where a program is executed and for its variables, symlink.target for
symlinks, path1 and path2 for file operations; attributes of a file that is only just made are not known, and such a condition
fails whatever its sign.

impossible-number: warning: a number that the kernel never asks for
help: use a mode up to 07777, or an ID up to 4294967295
Modes have twelve bits, users, groups and ioctl commands thirty-two.

never-executed: warning: a program's name that execve never gives
help: write the name behind the aggregator, or the real path
An aggregator replaces this program's name before entries and transition controls are looked up.

## Entries that add nothing

duplicate: warning: the same line once more
help: delete the line
The kernel merges it with the first. Of two use_profile lines that a file has for a domain, the later one counts.

shadowed: warning: another entry grants all of this
help: delete the entry if you mean the wider one; else make the wider one narrower
An entry of the same domain, or of an acl_group or module that it uses, grants the same. Taking this one away changes no
decision: entries whose domain transition or grant_log counts are not reported.

## Domains and transitions

unreachable-domain: warning: no execution leads to this domain
help: write an initialize_domain for its program, or a file execute entry in the domain above it
Every way is tried: entries and their transition preferences, modes in which anything may be executed, transition controls and
manual_domain_transition. Where nothing leads here the entries do nothing.

never-entered: note: only the first program that the kernel starts can enter this domain
help: write 'initialize_domain PROGRAM from any'
A domain right below the namespace is entered from the root domain alone, unless an initialize_domain leads there. Nearly all
programs are started by others.

undefined-domain: error: a transition into a domain of another namespace that is not defined
help: define the domain, with a profile that its namespace has
The kernel creates no domain in another namespace: it refuses to execute the program, in any mode.

created-domain: warning: a transition into a domain that is not defined
help: define the domain, with its profile and entries; or use keep, or keep_domain for the domain above
The kernel creates it with profile and groups of the domain that the program is started from, and without entries. Reported where
that one is enforced, so that everything is denied to the program, and where the line names the domain. In permissive mode, and
if groups or modules grant something there, it is a note.

failing-execution: error: a transition that always fails
help: use another transition preference
The domain's name would be too long, or the domain has a profile that is not defined: execve fails.

idle-control: note: a transition control that counts for nothing
help: name a domain, the path of a domain's last program, or any
It is for a domain that is not defined, so it counts only where such a domain comes into being by itself; or it is a no_ line, and
there is nothing that it could switch off.

literal-pattern: warning: a pattern in a transition control, where the kernel compares words
help: write a line for each program; or give them one name by an aggregator, and use that name
initialize_domain /opt/\* is for a program called '/opt/\*', not for all in /opt. A program is called so where the file execute
entry that grants it has just this pattern: then it is a note.

leaves-confinement: warning: an enforced domain may enter one that is not enforced
help: enforce that domain too, or write child in place of the preference
An attacker in the domain has a way out. A warning where the domain's own entry says so, by manual_domain_transition or a
transition preference; a note where a transition control leads out, or a child domain is in another mode, or where the domain is
not enforced yet, but in permissive mode.

## Groups and modules

undefined-group: error: a group without members
help: define it with a path_group, number_group or address_group line
Such a group matches nothing, so the entry grants nothing; behind '!=' it always holds.

undefined-acl-group: error: an acl_group without entries
help: write 'acl_group N ENTRY' in the exception policy of this namespace, or delete the use_group
The domain gets nothing from it.

undefined-module: error: a module that there is not
help: write the file modules/NAME.conf
use_group with a name means a module of a policy source.

unused-group: warning: a group that nothing names
help: delete it
A misspelt name in an entry makes another group of it, which is empty. Groups that bind names of packages are left out.

unused-acl-group: warning: an acl_group that no domain uses
help: write 'use_group N' in a domain of this namespace, or delete the group
Its entries do nothing.

unused-module: note: a module that no domain uses
help: write 'use_group NAME' in a domain, or delete the module
compile leaves it out.

unused-aggregator: note: an aggregator to a name that nothing else has
help: delete it, or write an entry with that name
The programs run under a name for which there are no entries, no domain and no transition control.

## Profiles

undefined-profile: error: a profile that is not defined
help: use a profile that the namespace has
A kernel that boots with this panics.

implicit-profile: warning: a domain without use_profile
help: write 'use_profile 0' if nothing is to confine it, else another number
It has profile 0, in which most often nothing is denied.

unused-profile: note: a profile that no domain uses
help: delete it
Profiles 0 to 3 are left out, since most systems have them.

enforced-without-entries: warning: an enforced domain without entries
help: write its entries, or use permissive mode until they are known
Everything is denied there.

root-enforced: warning: a namespace's root domain is enforced
help: write 'use_profile 0', and a domain of its own for each program that you confine
Every program that no rule leads elsewhere runs there, including those that boot and repair the system. Enforcing mode denies
them everything that nobody foresaw.

partly-enforced: note: a profile that enforces some things, and not execution or opening files
help: enforce file::execute and file::open
What is not enforced is a way around the rest: a program that may execute or open anything is hardly confined.

silent-enforcement: note: denials that are not logged
help: set reject_log=yes
Nobody learns of an attack, or why a program does not work.

learning-stopped: warning: a domain that stopped learning
help: raise max_learning_entry, then learn again without the flag
quota_exceeded says that the kernel reached the profile's max_learning_entry: what came later is not in this policy.

transition-failed: warning: a domain with processes that should be in another one
help: define the domain that was missing, then delete the flag
transition_failed says that a process could not enter the domain that it should have entered, so what it did was learned here.

## Managers

no-manager: warning: there is no manager
help: list the program or the domain that may change policy
Once this policy is active, nothing can change it until the next boot.

manager-everyone: error: users other than root may manage policy
help: delete manage_by_non_root
Any user who can start a manager, or a program in a manager's domain, then decides on the policy.

manager-interpreter: error: a manager that runs whatever it is given
help: list the domain of one script, such as <kernel> nix:/PACKAGE/bin/SCRIPT
The kernel looks at the real path of the running program. With a shell or an interpreter in the list every script is a
manager.

manager-writable: error: a manager's program that others may change
help: use a program in the store, or in a directory that only root may write to
A process that may change the program decides on the policy. Reported where a domain's entries say so, or where the program is
in a directory in which anybody may create files.

manager-learning: warning: a manager's domain that learns
help: use another mode, once its entries are known
In learning mode whatever the domain does is granted from then on, to the one domain that decides on all others.

manager-executable: warning: a manager that an enforced domain may start
help: let that domain execute no manager
An attacker in the domain can start the manager with arguments of its choice.

manager-broad: note: every program in a namespace's root domain is a manager
help: list the domain of one program, such as <kernel> nix:/tomoyo/bin/tomoyo
Where keep_domain holds programs in the root domain, or no other domain is defined, that is everything that root runs there.

manager-undefined: warning: a manager that is no program and no defined domain
help: list an absolute path without wildcards, or a domain of this policy
Programs are compared literally, so a pattern is no manager. A domain that is not defined is a note: it comes into being when its
program is first executed, with the profile of the domain above it, and anybody who gets there is a manager.

## Names of packages

misplaced-name: error: a name where the kernel compares real paths, or the reverse
help: write @nix:/... where files are opened or tested, nix:/... where programs are executed
An aggregator gives a program its name when it is executed; everywhere else a name can only stand as a group.

unresolved-name: error: a name that the closure does not have, or that cannot be bound
help: name a file in the closure; 'tomoyo bind' shows what there is
Nothing binds it, so it grants nothing. Only looked for where a closure is given.
"""


def _read_table(text: str) -> dict[str, LintCode]:
    codes: dict[str, LintCode] = {}
    family = ""
    for block in text.strip().split("\n\n"):
        if block.startswith("## "):
            family = block[3:]
            continue
        first, remedy, *explanation = block.split("\n")
        name, severity, reason = first.split(": ", 2)
        codes[name] = LintCode(name, family, Severity(severity), reason, remedy.removeprefix("help: "), " ".join(explanation))
    return codes


#: Every code, by its name.
LINT_CODES = _read_table(_TABLE)
