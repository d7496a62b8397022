"""Random policy lines, valid and broken, for asking a real kernel and the library the same thing.

Everything comes from one `random.Random`, so a printed seed repeats a run.  Names are drawn from few, so that lines merge,
delete and refer to each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tomoyo.model.conditions import ATTRIBUTES
from tomoyo.model.entries import Kind
from tomoyo.model.exception_policy import TRANSITION_CONTROLS
from tomoyo.model.profiles import FUNCTIONALITIES

INTERFACES = ("domain_policy", "exception_policy", "profile", "manager", "stat")

_PIECES = (
    *"abc",
    *("/", "/", "/", ".", "-", "=", '"', "@", "<", ">", ",", "{", "}", "%", "(", "[1]", "proc:", "nix:", "any", "from"),
    *("\\*", "\\@", "\\?", "\\$", "\\+", "\\X", "\\x", "\\A", "\\a", "\\-", "\\\\", "\\{", "\\}", "/\\{a\\}/", "/\\{\\*\\}/"),
    *("\\001", "\\040", "\\177", "\\377", "\\000", "\\101", "\\400", "\\8", "\\z", "\\", "\\12", "\\041", "\\176", "\\200"),
)
_NUMBERS = (
    *("0", "1", "5", "8", "9", "00", "07", "010", "0755", "0644", "08", "09", "018", "0x0", "0x1F", "0X1f", "0xffffffff", "0xG"),
    *("65535", "65536", "4294967295", "4294967296", "18446744073709551615", "18446744073709551616", "99999999999999999999"),
    *("0x", "0x0x5", "0x0x", "-", "-1", "1-", "", "+1", "1a", "a", "00x1", "0777777777777777777777777", "0xfffffffffffffffff"),
)
_ADDRESSES = (
    *("0.0.0.0", "127.0.0.1", "10.0.0.1", "255.255.255.255", "010.1.2.3", "1.2.3.0004", "256.1.1.1", "1.2.3", "1.2.3.4.5"),
    *("1.2.3.4.", ".1.2.3.4", "1..2.3", "a.b.c.d", "1.2.3.4:80", "1.2.3.4/8", "::", "::1", "1::", "fe80::1", "::ffff:1.2.3.4"),
    *("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", ":1"),
    *("1:", "00001::", "12345::", "::00001.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5::1.2.3.4", "::1.2.3.4:5"),
    *("0:0:0:0:0:ffff:1.2.3.4", "0:0:1:0:0:0:1:0", "::5efe:1.2.3.4", "fe80::5efe:102:304", "FE80::ABCD"),
    *("fe80::200:5efe:1.2.3.4", "1:0:0:2:0:0:3:4", "0:1:0:1:0:1:0:1", "::ffff:0:0"),
    *("1:2:3:4:5:6:7:1.2.3.4", "1::5:6:7:8:1.2.3.4", "::.1.2", "::g"),
)
_PATHS = ("/a", "/b", "/a/b/", "/tmp/\\*", "proc:/self/exe", "nix:/p/bin/p", "/\\{\\*\\}/c", "/a\\-b", "pipe:[1]", "x")
_PROGRAMS = ("/a", "/b", "/usr/sbin/sshd", "nix:/nginx/bin/nginx", "/p\\*", "a.b/c", "x", "/a/")
_GROUPS = ("g", "h", "@i", "/g/\\*", "nix:/a/b")
_VALUES = ("", "a", "/a", "\\*", "a b", "\\z", "x=y", '"', "/usr/bin/\\*")
_SEPARATORS = ("  ", "\t", "\xe9", "\x01", "\x7f", "\0", "\r", " \xff ")
_CONFIG_ITEMS = (
    *("mode=disabled", "mode=learning", "mode=permissive", "mode=enforcing", "grant_log=yes", "grant_log=no", "reject_log=yes"),
    *("reject_log=no", "use_default", "grant_log=maybe", "grant_log=nope", "mode=x", "learning"),
)
_JUNK = ("", " ", "delete ", "select ", "reset", "# x", "foo", "delete", "select", "<", "<kernel", "<>", "<a b", "delete delete ")


class Generator:
    """Draws random lines and edits of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        """True with PROBABILITY."""
        return self.random.random() < probability

    def one(self, items: Sequence[str]) -> str:
        """One of ITEMS."""
        return self.random.choice(items)

    def noise(self, most: int = 6) -> str:
        """A word of arbitrary pieces, often invalid."""
        return "".join(self.one(_PIECES) for _ in range(self.random.randint(0 if self.chance(0.05) else 1, most)))

    def word(self, usual: Sequence[str] = _PATHS) -> str:
        """A word, mostly valid."""
        roll = self.random.random()
        if roll < 0.6:
            return self.one(usual)
        if roll < 0.9:
            return "/" * self.chance(0.7) + self.noise()
        return "/" + "\\*" * self.random.randint(18, 22) if roll < 0.93 else self.noise(30)

    def name(self) -> str:
        """A name argument: a word or a path group."""
        return "@" + self.word(_GROUPS) if self.chance(0.2) else self.word()

    def number(self) -> str:
        """A number argument: a number, a range or a number group."""
        roll = self.random.random()
        if roll < 0.15:
            return "@" + self.word(_GROUPS)
        if roll < 0.35:
            return f"{self.one(_NUMBERS)}-{self.one(_NUMBERS)}"
        return self.one(_NUMBERS) if self.chance(0.6) else str(self.random.randint(0, 70000))

    def address(self) -> str:
        """An address argument: an address, a range or an address group."""
        roll = self.random.random()
        if roll < 0.15:
            return "@" + self.word(_GROUPS)
        if roll < 0.35:
            return f"{self.address_alone()}-{self.address_alone()}"
        return self.address_alone()

    def address_alone(self) -> str:
        """An address, from a list or of random groups."""
        if self.chance(0.6):
            return self.one(_ADDRESSES)
        if self.chance(0.3):
            length = self.random.choice((4, 4, 4, 3, 5))
            return ".".join(str(self.random.choice((0, 1, 9, 255, 256, 1000))) for _ in range(length))
        usual = ("0", "0", "1", "ff", "0001", "ffff", "", "12345", "5efe", "200")
        groups = [self.one(usual) for _ in range(self.random.randint(1, 9))]
        return ":".join(groups) + (":1.2.3.4" if self.chance(0.15) else "")

    def domain(self) -> str:
        """A domain name, mostly valid."""
        namespace = self.one(("<kernel>",) * 6 + ("<a>", "<b>", "<a>b>", "<", "<>", "<\\*>", "<x y>", "kernel", "<kernel>x"))
        if self.chance(0.01):
            return namespace + (" /" + "d" * self.random.randint(4060, 4090))
        return " ".join([namespace, *(self.word(_PROGRAMS) for _ in range(self.random.randint(0, 3)))])

    def quoted(self) -> str:
        """A quoted value, mostly closed."""
        value = self.one(_VALUES) if self.chance(0.6) else self.noise()
        return self.one(('"{}"',) * 8 + ('"{}', '{}"', "{}", "'{}'")).format(value)

    def test(self) -> str:
        """One condition."""
        sign = self.one(("=",) * 5 + ("!=", "!=", "==", "!==", "", "=!"))
        roll = self.random.random()
        if roll < 0.15:
            index = self.one(("0", "1", "00", "08", "0x1", "", "18446744073709551616", "-1", "a"))
            return f"exec.argv[{index}{self.one((']',) * 9 + ('', ']]'))}{sign}{self.quoted()}"
        if roll < 0.3:
            name = self.one(('PATH"]', 'PATH"]', 'A\\*"]', '"]', "]", '"', 'A"B"]', 'A=B"]', "PATH]", 'x"]]'))
            return f'exec.envp["{name}{sign}{"NULL" if self.chance(0.3) else self.quoted()}'
        if roll < 0.4:
            return f"grant_log{sign}{self.one(('yes', 'no', 'yes', 'maybe', ''))}"
        if roll < 0.55:
            left = self.one(("exec.realpath", "symlink.target"))
            return f"{left}{sign}{'@' + self.word(_GROUPS) if self.chance(0.25) else self.quoted()}"
        left = self.one(ATTRIBUTES) if self.chance(0.8) else self.number()
        right = self.one(ATTRIBUTES) if self.chance(0.3) else self.number()
        return f"{left}{sign}{right}" if self.chance(0.95) else self.noise()

    def condition(self) -> str:
        """A transition preference, tests, both or neither."""
        parts = []
        if self.chance(0.2):
            parts.append(self.one(("keep", "initialize", "reset", "child", "parent", "/a", self.domain(), self.word())))
        parts += [self.test() for _ in range(self.random.choice((0, 0, 1, 1, 2, 4)))]
        return "".join(" " + part for part in parts)

    def operations(self, kind: Kind) -> str:
        """One or more operations, sometimes of other kinds or misspelt."""
        chosen = self.random.sample(kind.operations, self.random.randint(1, min(3, len(kind.operations))))
        if self.chance(0.1):
            chosen.append(self.one(self.random.choice(list(Kind)).operations))
        if self.chance(0.1):
            spelling = self.one(("{}x", "x{}", "{}/", "/{}", "{}//x", "un{}", "{0}{0}", "x{0}/{0}"))
            chosen = [spelling.format("/".join(chosen))]
        return "/".join(chosen)

    def entry(self) -> str:
        """An ACL entry with any number of arguments, mostly the right one."""
        kind = self.random.choice(list(Kind))
        if self.chance(0.3):
            kind = Kind.PATH
        draw: dict[str, Callable[[], str]] = {
            "NAME": self.name,
            "NUMBER": self.number,
            "PORT": self.number,
            "ADDRESS": self.address,
            "VARIABLE": lambda: self.word(("PATH", "HOME", "LD_\\*", "A=B", "@x")),
            "DOMAIN": self.domain,
        }
        arguments = [draw[kind.name]() for kind in kind.arguments.values()]
        if self.chance(0.05):
            arguments = arguments[:-1] if self.chance(0.5) else [*arguments, self.word()]
        condition = self.condition() if self.chance(0.4) else ""
        return f"{kind.keyword} {self.operations(kind)} {' '.join(arguments)}{condition}"

    def domain_line(self) -> str:
        """A line for domain_policy."""
        roll = self.random.random()
        if roll < 0.15:
            return self.domain()
        if roll < 0.22:
            number = self.one(("0", "1", "2", "3", "4", "255", "256", "4294967296", "4294967299", "-1", "", "03", "1 x", "1x"))
            return f"{self.one(('use_profile', 'use_group'))}{self.one((' ', ' ', ' ', ''))}{number}"
        if roll < 0.25:
            return self.one(("quota_exceeded", "transition_failed")) + self.one(("", "", "x", " 1"))
        return self.entry() if roll < 0.95 else self.noise(10)

    def exception_line(self) -> str:
        """A line for exception_policy."""
        namespace = self.one(("",) * 12 + ("<kernel> ", "<a> ", "<b> ", "<a>b> ", "<ker ", "< ", "<> ", "<n", "<c>"))
        roll = self.random.random()
        rest = " " + self.word() if self.chance(0.05) else ""
        if roll < 0.15:
            body = f"aggregator {self.word()} {self.word(_PROGRAMS)}"
        elif roll < 0.35:
            program = self.one(("any", "any", "")) if self.chance(0.2) else self.word(_PROGRAMS)
            source = self.one(("any", self.domain(), self.domain(), self.word(_PROGRAMS)))
            body = f"{self.one(TRANSITION_CONTROLS)} {self.one((program, f'{program} from {source}', source))}"
        elif roll < 0.55:
            body = f"path_group {self.word(_GROUPS)} {self.word()}"
        elif roll < 0.65:
            body = f"number_group {self.word(_GROUPS)} {self.number()}"
        elif roll < 0.75:
            body = f"address_group {self.word(_GROUPS)} {self.address()}"
        else:
            group = self.one(("0", "0", "1", "255", "256", "", "4294967297", "x", "01"))
            body = f"acl_group {group} {self.entry()}"
        return f"{namespace}{body}{rest}"

    def profile_line(self) -> str:
        """A line for profile."""
        namespace = self.one(("",) * 12 + ("<kernel> ", "<a> ", "<b> ", "<a>b> ", "<ker ", "<> ", "<c>"))
        number = self.one(("0", "1", "2", "3", "3", "255", "256", "4294967296", "", "x", "03"))
        roll = self.random.random()
        if roll < 0.1:
            return f"{namespace}PROFILE_VERSION={self.one(('20150505', '20110903', '1', '', ' 20150505', '20150505 x', 'x'))}"
        if roll < 0.2:
            comment = self.one(("", " ", "hello", "a = b", "-----Enforcing Mode-----", self.noise()))
            return f"{namespace}{number}-COMMENT={comment}"
        if roll < 0.35:
            items = [
                f"{self.one(('max_audit_log', 'max_learning_entry', 'max', 'xmax_audit_log'))}={self.one(_NUMBERS)}"
                for _ in range(self.random.randint(0, 3))
            ]
            return f"{namespace}{number}-PREFERENCE={self.one(('{{ {} }}', '{}', '{{{}}}')).format(' '.join(items))}"
        names = [f"CONFIG::{name}" for name in FUNCTIONALITIES]
        name = self.one(["CONFIG", "CONFIG", "CONFIG", *names, "CONFIG::", "CONFIG::x", "config"])
        items = [self.one(_CONFIG_ITEMS) for _ in range(self.random.randint(0, 4))]
        value = "use_default" if self.chance(0.1) else self.one(("{{ {} }}", "{{ {} }}", "{}")).format(" ".join(items))
        return f"{namespace}{number}-{name}{self.one(('=',) * 9 + ('',))}{value}"

    def manager_line(self) -> str:
        """A line for manager."""
        return self.one((self.word(_PROGRAMS), self.domain(), "manage_by_non_root", self.noise(), f"{self.word()} {self.word()}"))

    def stat_line(self) -> str:
        """A line for stat; quotas are far above what a test uses."""
        name = self.one(("policy:", "audit log:", "query message:", "x:", "policy", ""))
        number = self.one(("0", "1000000000", "4294967295", " 2000000000", "3000000000 x", "", "x", "4294967296", "03000000000"))
        return f"{self.one(('Memory used by ',) * 5 + ('Memory ', ''))}{name} {number}"

    def line(self, interface: str) -> str:
        """A line for INTERFACE: well formed, broken or a command."""
        draw = {
            "domain_policy": self.domain_line,
            "exception_policy": self.exception_line,
            "profile": self.profile_line,
            "manager": self.manager_line,
            "stat": self.stat_line,
        }[interface]
        line = draw()
        roll = self.random.random()
        if roll < 0.08:
            line = f"{self.one(_JUNK)}{line}"
        elif roll < 0.1:
            line = self.one(_JUNK)
        if self.chance(0.07):
            line = self.edited(line)
        return line.replace("\n", "")

    def edited(self, line: str) -> str:
        """LINE with a piece put in, taken out or doubled."""
        position = self.random.randint(0, len(line))
        length = self.random.randint(1, 3)
        roll = self.random.random()
        if roll < 0.4:
            return line[:position] + self.one((*_SEPARATORS, *_PIECES)) + line[position:]
        if roll < 0.7:
            return line[:position] + line[position + length :]
        return line[:position] + line[position : position + length] * 2 + line[position + length :]

    def commands(self, interface: str, held: Sequence[str]) -> str:
        """A line for INTERFACE in a running kernel: HELD lines are deleted, domains selected."""
        roll = self.random.random()
        if held and roll < 0.25:
            return f"delete {self.one(held)}"
        if interface == "domain_policy" and roll < 0.35:
            domain = self.domain() if not held or self.chance(0.3) else self.one(held)
            return self.one(("select {}", "delete {}", "select domain={}", "{}")).format(domain)
        return self.one(("reset", "select transition_only")) if roll > 0.98 else self.line(interface)
