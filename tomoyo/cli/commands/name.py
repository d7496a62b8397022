"""Turn what a kernel learned into a named policy: nix:/nginx/bin/nginx for every store path.

Only names of the closure that --closure says are given; what lies outside it
is kept and told.  With 'tomoyo bind' for the same closure the result means what
was learned.  Comments stay with their lines.  Two policies, or -o, go to files
in a directory.

A kernel knows modules by number alone.  With --set, the compiled set that it
held, 'use_group 1' becomes 'use_group base' again, as 'tomoyo compile' takes it.

--nix prints a Nix function of pkgs instead, which evaluates to the text of
POLICY as it is, with ${pkgs.glibc} in the place of store paths.

Example:

  tomoyo name learned/domain_policy.conf
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Any

from ...model.diagnostics import Diagnostic, Place, Severity
from ...model.words import quoted
from ..closure_options import add_closure, read_closure, unusable
from ..messages import counted
from ..options import UsageError, add_all, message, print_policy, report, set_result, write_file
from ..policy_files import PolicyFile, add_kernel, read_file, read_policy
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model.domains import DomainPolicy
    from ...model.exception_policy import ExceptionPolicy
    from ...nix.names.expression import Expression
    from ...nix.names.naming import Named
    from ...syntax.lines import PolicySyntaxError

_FILES = {"domain": "domain_policy", "exception": "exception_policy"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "domain",
        nargs="?",
        metavar="DOMAIN_POLICY",
        help="what a kernel learned: a file, a policy set, a policy source or a kernel's interface directory; "
        "- is standard input",
    )
    parser.add_argument("exception", metavar="EXCEPTION_POLICY", nargs="?", help="the exception policy that it had")
    parser.add_argument("-o", "--output", metavar="DIR", help="write domain_policy.conf and exception_policy.conf to DIR")
    add_set(parser)
    add_kernel(parser)
    add_all(parser)
    add_closure(parser)
    let_source(parser, "domain")
    how = parser.add_argument_group("other results than a named policy").add_mutually_exclusive_group()
    how.add_argument("--nix", action="store_true", help="a Nix function of pkgs that gives the text; needs --attributes")
    how.add_argument(
        "--unsafe-wildcards",
        action="store_true",
        help="patterns such as /nix/store/\\*-nginx-\\*/bin/nginx, which whoever may build a package called nginx can match",
    )
    parser.add_argument(
        "--attributes", metavar="FILE", help='with --nix, a JSON file: {"glibc": "/nix/store/...", "glibc.dev": "/nix/store/..."}'
    )


def add_set(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take the set that knows modules' names."""
    parser.add_argument(
        "--set", metavar="DIR", help="the set that the kernel held, such as /run/current-system/tomoyo: it knows modules' names"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.attributes and not arguments.nix:
        raise UsageError("--attributes goes with --nix")
    if arguments.set and arguments.nix:
        raise UsageError("--set goes with names: --nix gives the text as it is")
    if arguments.exception and not (arguments.output or arguments.json):
        raise UsageError("two policies need a place: -o DIR, or --json")
    if arguments.domain == arguments.exception == "-":
        raise UsageError("standard input holds only one policy")
    if isinstance(arguments.domain, list):  # the project's
        if len(arguments.domain) > 1:
            raise UsageError("the project has several policy sources", "name the policy")
        arguments.domain = arguments.domain[0]
    if arguments.interface is not None:
        if arguments.domain is not None:
            raise UsageError("give a policy or --interface, not both")
        arguments.domain = arguments.interface
    if arguments.domain is None:
        raise UsageError("say what to name", "give a domain policy, or --interface DIR for what a kernel holds")
    files = [read_file(arguments.domain, "domain", form="KERNEL" if arguments.interface is not None else "")]
    if arguments.exception:
        files.append(read_file(arguments.exception, "exception"))
    elif (arguments.output or arguments.json) and os.path.isdir(arguments.domain):
        files += _exception_file(arguments.domain)
    errors: list[PolicySyntaxError] = []
    domains = files[0].domains(errors.append)
    exceptions = files[1].exceptions(errors.append) if files[1:] else None
    for error in errors:
        report(error.diagnostic())
    if errors:
        return 2
    if arguments.nix:
        return _print_nix(arguments, files)
    return print_named(arguments, files, domains, exceptions)


def _exception_file(directory: str) -> list[PolicyFile]:
    """The exception policy that DIRECTORY has beside its domain policy, in a list, empty where there is none."""
    found = read_policy(directory, "exception").files
    return [
        PolicyFile(text.name, "exception", text.text.encode("latin-1"))
        for text in found
        if os.path.basename(text.name) != "bindings.conf"
    ][:1]


def _write(directory: str, texts: dict[str, str]) -> None:
    """Write each of TEXTS, by file name, into DIRECTORY, which need not exist."""
    from ...sets.trusted_files import make_output_folder

    make_output_folder(directory)
    for name, text in texts.items():
        write_file(os.path.join(directory, name), text)


# A named policy


def print_named(
    arguments: argparse.Namespace, files: list[PolicyFile], domains: DomainPolicy, exceptions: ExceptionPolicy | None
) -> int:
    """Print DOMAINS and EXCEPTIONS, which are in FILES, with names of the closure and of the modules that ARGUMENTS say."""
    from ...nix.names.source_text import format_named

    # Those that a policy source names itself got numbers that it does not use.
    modules = {**read_modules(arguments), **files[0].modules}
    _tell_numbers(domains, files[0], modules)
    named = named_policies(arguments, domains, exceptions, unsafe=arguments.unsafe_wildcards)
    tell_named(named, files)
    texts = {f"{_FILES[file.kind]}.conf": format_named(named, file.text, modules) for file in files}
    if arguments.json:
        set_result(_plain(named, texts))
    if arguments.output:
        _write(arguments.output, texts)
    elif not arguments.json:
        print_policy(texts["domain_policy.conf"])
    return 0


def read_modules(arguments: argparse.Namespace) -> dict[str, int]:
    """The numbers of the modules of the set that ARGUMENTS name, as its manifest tells them; none where they name none."""
    if arguments.set is None:
        return {}
    from ...model.domains import MAX_GROUPS
    from ...sets.directory import FORMAT, MANIFEST
    from ...syntax.domain_policy import MODULE_NAME

    name = os.path.join(arguments.set, MANIFEST)
    document = _read_object(name)
    modules = document.get("modules")
    if document.get("format") != FORMAT or not isinstance(modules, dict):
        raise UsageError("not the manifest of a set that 'tomoyo compile' wrote, with its modules", place=Place(name))
    for module, number in modules.items():
        if not MODULE_NAME.fullmatch(module) or type(number) is not int or not 0 <= number < MAX_GROUPS:
            raise UsageError(f"no module with its number: {quoted(module)}: {quoted(number)}", place=Place(name))
    if len(set(modules.values())) < len(modules):
        raise UsageError("two modules have one number", place=Place(name))
    return modules


def _tell_numbers(policy: DomainPolicy, file: PolicyFile, modules: Mapping[str, int]) -> None:
    """Say which groups of POLICY, which is in FILE, stay numbers: in a source these are no modules."""
    left = sorted({group for domain in policy for group in domain.groups} - set(modules.values()))
    if left:
        lines = [f"use_group {number}" for number in left]
        found = _places([file], set(lines)).values()
        where = min(found, key=lambda place: place.line, default=Place(file.name, 1, 1))
        text = f"stays a number: {', '.join(lines)}" + (": no module of the set has it" if modules else "")
        advice = "" if modules else "if it is a module, --set DIR, the set that the kernel held, says which"
        report(Diagnostic(Severity.NOTE, "module-number", text, advice, where))


def named_policies(
    arguments: argparse.Namespace, domains: DomainPolicy, exceptions: ExceptionPolicy | None = None, *, unsafe: bool = False
) -> Named:
    """DOMAINS and EXCEPTIONS with names of the closure that ARGUMENTS say, or with UNSAFE wildcards."""
    from ...nix.names.names import NameSyntaxError
    from ...nix.names.naming import name_policy, unsafe_policy
    from ...nix.store.contents import read_contents
    from ..progress import Progress

    with Progress() as progress:
        progress("reading the closure")
        trusted = read_closure(arguments)
        if unsafe:
            return unsafe_policy(domains, exceptions, trusted.names)
        progress(f"reading {len(trusted.names.paths)} store paths")
        contents = read_contents(trusted.names.paths, trusted.tree)
        progress(f"naming {len(domains)} domains")
        try:
            return name_policy(domains, exceptions, trusted.names, contents, trusted.links)
        except NameSyntaxError as error:
            raise UsageError(f"not a name: {error}") from None


def _places(files: list[PolicyFile], texts: set[str]) -> dict[str, Place]:
    """Where each of TEXTS first stands, in a line that says something."""
    from ...syntax.policy_text import Comment, read_lines

    places: dict[str, Place] = {}
    for file in files if texts else ():
        for placed in read_lines(file.text):
            if placed.value is not None and not isinstance(placed.value, Comment):
                for text in texts.intersection(placed.texts()) - places.keys():
                    places[text] = placed.where(text)
    return places


def tell_named(named: Named, files: list[PolicyFile]) -> None:
    """Report what NAMED, made of the policies in FILES, had to leave or loosen."""
    from ...nix.names.rename_words import Change

    places = _places(files, {finding.subject for finding in named.findings})
    counts = {Change.UNBOUND.value: 0, Change.UNSAFE.value: 0}
    for finding in named.findings:
        if finding.code in counts:
            counts[finding.code] += 1
        else:
            report(replace(finding, place=places.get(finding.subject, finding.place)))
    if counts[Change.UNSAFE.value]:
        message(
            "warning",
            f"{counted(counts[Change.UNSAFE.value], 'store path')} became patterns without a hash: whoever may add a path to the"
            " store, which is everyone who may run 'nix build', gets the rights of each package by taking its name",
            code=Change.UNSAFE.value,
        )
    if counts[Change.UNBOUND.value]:
        text = f"{counted(counts[Change.UNBOUND.value], 'binding')} left out"
        message("note", text, "'tomoyo bind' gives those that are needed", code=Change.UNBOUND.value)
    if named.merged_entries:
        message(
            "note",
            f"{counted(named.merged_entries, 'entry', 'entries')} became equal to others, or part of them",
            code="merged-entries",
        )


def _plain(named: Named, texts: dict[str, str]) -> dict[str, Any]:
    return {
        "domain_policy": texts["domain_policy.conf"],
        "exception_policy": texts.get("exception_policy.conf"),
        "merged_entries": named.merged_entries,
    }


# A Nix expression


def _print_nix(arguments: argparse.Namespace, files: list[PolicyFile]) -> int:
    from ...nix.names.expression import ExpressionError, nix_expression
    from ...nix.store.paths import STORE_DIRECTORY, StorePathError, check_store_directory

    if not arguments.attributes:
        raise UsageError("--nix needs --attributes FILE: which attribute of pkgs gives which store path")
    attributes = _read_attributes(arguments.attributes)
    store = arguments.store or STORE_DIRECTORY
    try:
        check_store_directory(store)
        found = [(file, nix_expression(_ascii(file), attributes, store)) for file in files]
    except ExpressionError as error:
        raise UsageError(str(error), place=Place(arguments.attributes)) from None
    except StorePathError as error:
        raise UsageError(str(error)) from None
    for file, expression in found:
        for literal in expression.literals:
            text = f"{literal.path}: no attribute gives this store path, so it stays as it is"
            place = Place(file.name, literal.line, literal.column, file.data.decode("latin-1").split("\n")[literal.line - 1])
            report(Diagnostic(Severity.WARNING, "no-attribute", text, place=place, subject=str(literal.path)))
    if arguments.json:
        set_result([_plain_expression(file, expression) for file, expression in found])
    if arguments.output:
        _write(arguments.output, {f"{_FILES[file.kind]}.nix": expression.text for file, expression in found})
    elif not arguments.json:
        sys.stdout.write(found[0][1].text)
    return 0


def _ascii(file: PolicyFile) -> str:
    if not file.data.isascii():
        raise UsageError("a comment has characters that are not ASCII", "leave them out", place=Place(file.name))
    return file.data.decode("ascii")


def _plain_expression(file: PolicyFile, expression: Expression) -> dict[str, Any]:
    return {
        "file": file.name,
        "expression": expression.text,
        "attributes": list(expression.used),
        "without_attribute": [
            {"path": literal.path, "line": literal.line, "column": literal.column} for literal in expression.literals
        ],
    }


def _read_attributes(name: str) -> dict[str, str]:
    document = _read_object(name)
    for attribute, path in document.items():
        if not isinstance(path, str):
            raise UsageError(f"attribute {quoted(attribute)}: not a store path", place=Place(name))
    return document


def _read_object(name: str) -> dict[str, Any]:
    """The JSON object in the file NAME."""
    from ...nix.store.closure import ClosureError
    from ...nix.store.closure_formats import read_json

    try:
        document = read_json(name)
    except ClosureError as error:
        raise unusable(error) from None
    if not isinstance(document, dict):
        raise UsageError("not a JSON object", place=Place(name))
    return document
