"""Print the completion of a shell for this command.

  eval "$(tomoyo completion bash)"

fish and zsh read it from a file: completions/tomoyo.fish, and _tomoyo in a
directory of $fpath.  Domains and names are those of the policy at hand: of the
files on the command line, of the project or of the kernel.

Example:

  eval "$(tomoyo completion bash)"
"""

from __future__ import annotations

import argparse
import re
import sys

from ..options import set_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reference import Argument, Command

#: What the script asks the command for, since it depends on the policy.
DYNAMIC = ("domains", "names")
_BASH = """\
_tomoyo() {{
    local at=$COMP_CWORD begin= words= kind= each found
    local word=${{COMP_WORDS[COMP_CWORD]}}
    # 'nix:/a' and '--option=value' are three words each to bash.
    if [[ $word == : ]]; then
        begin=${{COMP_WORDS[at - 1]}}: word= at=$((at - 1))
    elif [[ ${{COMP_WORDS[at - 1]}} == : ]]; then
        begin=${{COMP_WORDS[at - 2]}}: at=$((at - 2))
    fi
    local before=${{COMP_WORDS[at - 1]}}
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[at - 2]}}
        # Of 'nginx=enforce' in '--library nginx=enforce'.
        if [[ $before != -* ]]; then
            begin=$before= before=${{COMP_WORDS[at - 3]}}
        fi
    fi
    if ((COMP_CWORD == 1)); then
        words='{commands} help'
    else
        case ${{COMP_WORDS[1]}} in
{cases}
        help) words='{commands}' ;;
        esac
    fi
    COMPREPLY=()
    case $kind in
    directories) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    domains | names)
        compopt -o filenames 2>/dev/null
        word=${{word#[\\'\\"]}}
        word=$begin${{word//\\\\/}}
        mapfile -t found < <(tomoyo --complete $kind "${{COMP_WORDS[@]:2}}" 2>/dev/null)
        for each in ${{found[@]+"${{found[@]}}"}}; do
            if [[ $each == "$word"* ]]; then COMPREPLY+=("${{each#"$begin"}}"); fi
        done
        ;;
    *) for each in $words; do
        if [[ $each == "$begin$word"* ]]; then COMPREPLY+=("${{each#"$begin"}}"); fi
    done ;;
    esac
}}
complete -F _tomoyo tomoyo
"""
_ZSH = """\
#compdef tomoyo

_tomoyo_found() {{
    local -a found
    found=(${{(f)"$(tomoyo --complete $1 $words[2,-1] 2>/dev/null)"}})
    compadd -a found
}}

_tomoyo() {{
    local -a commands
    if (( CURRENT == 2 )); then
        commands=(
{commands}
            'help:print the help of a command'
        )
        _describe command commands
        return
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
{cases}
    help)
        _values command {names}
        ;;
    esac
}}

if [[ $funcstack[1] == _tomoyo ]]; then
    _tomoyo "$@"
else
    compdef _tomoyo tomoyo
fi
"""
_FISH = """\
function __tomoyo_command
    set -l words (commandline -opc)
    if test (count $argv) -eq 0
        test (count $words) -eq 1
    else
        test (count $words) -gt 1; and test "$words[2]" = "$argv[1]"
    end
end

complete -c tomoyo -f
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "fish", "zsh"), help="for which shell")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..reference import commands

    scripts = {"bash": bash, "fish": fish, "zsh": zsh}
    script = scripts[arguments.shell](list(commands()))
    set_result({"script": script}) if arguments.json else sys.stdout.write(script)
    return 0


def bash(commands: list[Command]) -> str:
    """A script for bash 4.4 or newer."""
    cases = "\n".join(line for command in commands for line in _bash_command(command))
    return _BASH.format(commands=" ".join(command.name for command in commands), cases=cases)


def _bash_command(command: Command) -> Iterator[str]:
    flags = " ".join(flag for option in command.options for flag in option.flags)
    yield f"        {command.name})"
    yield "            case $before in"
    for option in command.options:
        if option.value:
            yield f"            {'|'.join(option.flags)}) {_bash_value(option)} ;;"
    yield f"            *) if [[ $word == -* ]]; then words='{flags}'; else {_bash_operand(command)}; fi ;;"
    yield "            esac"
    yield "            ;;"


def _bash_operand(command: Command) -> str:
    return _bash_value(_completed_operand(command))


def _bash_value(argument: Argument | None) -> str:
    if argument is None:
        return "words="
    return f"words={_quoted(' '.join(argument.words))}" if argument.words else f"kind={argument.completed}"


def _completed_operand(command: Command) -> Argument | None:
    """The operand that a shell can help with, if there is one."""
    return next((operand for operand in command.operands if operand.completed or operand.words), None)


def zsh(commands: list[Command]) -> str:
    """A script for zsh."""
    described = "\n".join(f"            {_quoted(f'{command.name}:{command.purpose}')}" for command in commands)
    cases = []
    for command in commands:
        specifications = [_zsh_option(option, flag) for option in command.options for flag in option.flags]
        operand = _completed_operand(command)
        if operand:
            specifications.append(_quoted(f"*:{operand.value}:{_zsh_values(operand)}"))
        cases.append(f"    {command.name})")
        cases.append("        _arguments -S \\\n            " + " \\\n            ".join(specifications))
        cases.append("        ;;")
    names = " ".join(command.name for command in commands)
    return _ZSH.format(commands=described, names=names, cases="\n".join(cases))


def _zsh_option(option: Argument, flag: str) -> str:
    text = re.sub(r"[\[\]:\\]", r"\\\g<0>", option.text)
    equals = "=" * (bool(option.value) and flag.startswith("--"))
    value = f":{option.value}:{_zsh_values(option)}" * bool(option.value)
    return _quoted(f"{'*' * option.repeated}{flag}{equals}[{text}]{value}")


def _zsh_values(argument: Argument) -> str:
    if argument.words:
        return f"({' '.join(argument.words)})"
    if argument.completed in DYNAMIC:
        return f" _tomoyo_found {argument.completed}"
    return {"directories": "_files -/", "files": "_files", "": " "}[argument.completed]


def fish(commands: list[Command]) -> str:
    """A script for fish 3.0 or newer."""
    names = " ".join(command.name for command in commands)
    lines = [
        "complete -c tomoyo -n __tomoyo_command -a help -d 'print the help of a command'",
        f"complete -c tomoyo -n '__tomoyo_command help' -a {_fish(names)}",
    ]
    lines += [f"complete -c tomoyo -n __tomoyo_command -a {command.name} -d {_fish(command.purpose)}" for command in commands]
    for command in commands:
        start = f"complete -c tomoyo -n '__tomoyo_command {command.name}'"
        operand = _completed_operand(command)
        if operand:
            lines.append(f"{start}{_fish_values(operand)}")
        for option in command.options:
            flags = "".join(f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in option.flags)
            value = " -r" + _fish_values(option) if option.value else ""
            lines.append(f"{start}{flags}{value} -d {_fish(option.text)}")
    return _FISH + "".join(f"{line}\n" for line in lines)


def _fish_values(argument: Argument) -> str:
    if argument.words:
        return f" -f -a {_fish(' '.join(argument.words))}"
    if argument.completed in DYNAMIC:
        return f" -f -a '(tomoyo --complete {argument.completed} (commandline -opc)[3..] 2>/dev/null)'"
    return {"directories": " -f -a '(__fish_complete_directories)'", "files": " -F", "": " -f"}[argument.completed]


def _fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"
