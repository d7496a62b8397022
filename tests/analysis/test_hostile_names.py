"""Names made to exhaust whoever reads the records: all that is done with a record is linear in it, in steps and in memory.

Steps are calls of functions, Python's and C's, so that no clock is asked. Memory is what Python itself allocates.
"""

from __future__ import annotations

import gc
import hashlib
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Sequence

import pytest

from tomoyo.analysis.replay import replay_texts
from tomoyo.decision.engine import DecisionEngine
from tomoyo.model.records import AuditRecord
from tomoyo.model.words import encode
from tomoyo.report.record_lines import record_line
from tomoyo.suggestion.dialogue import SuggestionDialogue
from tomoyo.suggestion.generalisation import BUILT_IN_RULES, MAX_ESCAPES, parse_user_rules
from tomoyo.suggestion.insertions import find_insertions, insert_lines, unified_diff
from tomoyo.suggestion.suggestions import Suggestion, Suggestions, merge_suggestions, policy_of
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.record_grammar import outline
from tomoyo.syntax.record_stream import RecordCutter, cut_records
from tomoyo.syntax.records import iterate_texts, parse_record, parse_text

RULES = tuple(BUILT_IN_RULES.values())
USER_RULES = parse_user_rules(
    "rewrite path_pattern /srv/\\{\\*\\}/\\*.log\nrewrite head_pattern /tmp/\\{\\*\\}/\nrewrite tail_pattern /\\*\\*\\*x/\\$\n"
)
POLICY = """\
<kernel> /x
use_profile 3
file read /srv/\\{\\*\\}/\\*.log
file read /tmp/\\*\\*\\*\\*x
file read /tmp/\\{\\*\\-a\\}/\\$\\X\\A
file read /\\{\\*\\}/\\{\\*\\}/b
"""


def digits(number: int, length: int, alphabet: str = "0123456789abcdef") -> str:
    """LENGTH characters, others for each NUMBER."""
    found = ""
    while len(found) < length:
        found += "".join(alphabet[byte % len(alphabet)] for byte in hashlib.sha256(f"{number} {len(found)}".encode()).digest())
    return found[:length]


def uuid(number: int) -> str:
    found = digits(number, 32)
    return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:]))


def repeated(head: str, piece: str) -> Callable[[int, int], str]:
    """Names that begin with HEAD, go on with PIECE again and again, and end in their number."""
    return lambda number, size: head + piece * (size // len(piece)) + str(number)


def drawn(head: str, between: str, piece: Callable[[int], str]) -> Callable[[int, int], str]:
    """The same with pieces that are others each time."""
    return lambda number, size: (
        head + between.join(piece(number * 1000 + place) for place in range(1 + size // (len(piece(0)) + len(between))))
    )


#: Names of about SIZE characters, another for each number.
KINDS: dict[str, Callable[[int, int], str]] = {
    "dates": repeated("/tmp/", "2024-01-01_"),
    "dates with times": repeated("/tmp/", "2024-01-01T10:11:12_"),
    "dates in directories": repeated("/var", "/2024/2024-01-01"),
    "one number": repeated("/tmp/", "1"),
    "numbers": repeated("/tmp/", "1_"),
    "directories of numbers": repeated("/tmp", "/1"),
    "hexadecimal": lambda number, size: "/tmp/" + digits(number, size),
    "hashes": drawn("/tmp/", "-", lambda place: digits(place, 32)),
    "hashes in directories": drawn("/run/", "/", lambda place: digits(place, 32)),
    "identifiers": drawn("/run/", "_", uuid),
    "store paths": drawn("/tmp/", "/", lambda place: digits(place, 32, "0123456789abcdfghijklmnpqrsvwxyz") + "-x-1.0"),
    "store paths in the store": drawn("/nix/store/", "/nix/store/", lambda place: digits(place, 32) + "-x"),
    "mktemp": drawn("/tmp/", "/", lambda place: "tmp." + digits(place, 6, "abXY12")),
    "mktemp with dots": drawn("/tmp/", ".", lambda place: digits(place, 6, "abXY12")),
    "directories called tmp": drawn("/a", "/", lambda place: "tmp/" + digits(place, 6, "abXY12")),
    "words": repeated("/tmp/", "abcdef-"),
    "deep": repeated("/srv", "/a"),
    "deep and temporary": repeated("/tmp", "/a"),
    "slashes and dots": repeated("/tmp", "/..a/.b"),
    "long": repeated("/srv/", "x"),
    "long and temporary": repeated("/tmp/", "x"),
    "spaces": repeated("/tmp/", "\\040"),
    "any bytes": drawn("/tmp/", "", lambda place: encode(hashlib.sha256(f"{place}".encode()).digest()[:9]).replace("/", "")),
    "backslashes": repeated("/tmp/", "\\\\"),
    "escapes that are none": repeated("/tmp/", "\\\\*\\\\@\\\\$\\\\{"),
    "quotes": repeated("/tmp/", '"\'"#'),
    "processes": lambda number, size: f"proc:/{number}/task/{number}/fd/{number}",
    "directories of processes": lambda number, size: "/proc" + f"/{number + 1000}" * (size // 5),
    "threads": repeated("proc:/self/", "task/1/"),
    "users": repeated("/run/user/1000/", "run/user/1000/"),
    "pipes": lambda number, size: f"pipe:[{number}]",
    "numbers of a library": repeated("/usr/lib/x.so", ".1"),
    "one directory": lambda number, size: f"/srv/data/{digits(number, 20)}",
    "one directory each": lambda number, size: f"/srv/{digits(number, 20)}/{digits(number + 1, 9)}/x",
    "a bit of all": drawn("/tmp/", "-", lambda place: f"2024-01-01-{digits(place, 6, 'abXY12')}-{uuid(place)}-{place}"),
}


def name_read(name: str) -> tuple[str, str, str]:
    return "", "<kernel> /x", f"file read {name}"


def name_renamed(name: str) -> tuple[str, str, str]:
    return "", "<kernel> /x", f"file rename {name} {name}x"


def name_executed(name: str) -> tuple[str, str, str]:
    argv = " ".join(f'"{word}"' for word in name.split("/") if word)
    details = f' exec={{ realpath="{name}" argc=1 envc=1 argv[]={{ {argv} }} envp[]={{ {argv} }} }}'
    return details, "<kernel> /x", f"file execute {name}"


def name_linked_to(name: str) -> tuple[str, str, str]:
    return f' symlink.target="{name}"', "<kernel> /x", "file symlink /tmp/x"


def name_of_domain(name: str) -> tuple[str, str, str]:
    return "", "<kernel>" + "".join(f" /{word}" for word in name.split("/") if word), "file read /x"


def name_of_socket(name: str) -> tuple[str, str, str]:
    return "", "<kernel> /x", f"network unix stream connect {name}"


def name_of_variable(name: str) -> tuple[str, str, str]:
    return "", "<kernel> /x", f"misc env {name.replace('=', '')}"


PLACES = (name_read, name_renamed, name_executed, name_linked_to, name_of_domain, name_of_socket, name_of_variable)


def record(number: int, details: str, domain: str, request: str) -> bytes:
    header = f"#2026/11/24 08:00:00# profile=3 mode=enforcing granted=no (global-pid={number + 1})"
    task = "task={ pid=1 ppid=0 uid=0 gid=0 euid=0 egid=0 suid=0 sgid=0 fsuid=0 fsgid=0 }"
    return f"{header} {task}{details}\n{domain}\n{request}\n".encode("ascii")


def log(
    kind: str, count: int, size: int, place: Callable[[str], tuple[str, str, str]] = name_read, first: int = 0
) -> list[bytes]:
    return [record(number, *place(KINDS[kind](number, size))) for number in range(first, first + count)]


def steps(work: Callable[[], object]) -> int:
    """How many calls WORK makes."""
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def peak(work: Callable[[], object]) -> int:
    """How many bytes WORK has at once."""
    gc.collect()
    tracemalloc.start()
    try:
        held = work()
        del held
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def suggest(records: Iterable[bytes]) -> list[Suggestion]:
    """All that ``suggest`` does."""
    collector = Suggestions(RULES, USER_RULES)
    for text in records:
        told = outline(text)
        assert told is not None
        collector.add_text(parse_text(text))
    found = collector.suggestions()
    added = policy_of((one, one.recommended) for one in merge_suggestions(found))
    insertions = find_insertions(POLICY, added)
    insert_lines(POLICY, insertions)
    for _ in unified_diff(POLICY, insertions, "policy"):
        pass
    SuggestionDialogue(found).state()
    return found


def write(records: Sequence[bytes]) -> None:
    """What ``audit`` does."""
    for text in cut_records([b"\n".join(records)], RecordCutter()):
        record_line(text)


def ask(records: Sequence[bytes]) -> None:
    """What ``replay`` does."""
    engine = DecisionEngine(parse_domain_policy(POLICY), None, None)
    for _ in replay_texts(engine, iterate_texts(b"\n".join(records))):
        pass


WORKS: dict[str, Callable[[list[bytes]], object]] = {"suggest": suggest, "audit": write, "replay": ask}
#: Steps that are allowed for each character of a record, and for each record: what compiles a pattern takes a dozen.
FOR_CHARACTER, FOR_RECORD = 8, 1500
COUNT = 3


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_few_and_grow_as_the_record_does(kind: str, work: str) -> None:
    WORKS[work](log(kind, COUNT, 100))  # what is imported and cached once
    first = 10 * list(WORKS).index(work)  # what repeats is read once, also where another test has read it
    for place in PLACES:
        before = 0
        for size in (950, 3800):
            records = log(kind, COUNT, size, place, first)
            taken = steps(lambda records=records: WORKS[work](records))  # type: ignore[misc]
            allowed = FOR_CHARACTER * sum(map(len, records)) + FOR_RECORD * COUNT
            assert taken <= allowed, (place.__name__, size, taken, allowed)
            assert not before or taken <= 5 * before + FOR_RECORD * COUNT, (place.__name__, before, taken)
            before = taken


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_that_of_the_records(kind: str) -> None:
    suggest(log(kind, 2, 100))
    for count, size in ((100, 200), (8, 3800), (16, 3800)):
        records = log(kind, count, size)
        held = peak(lambda records=records: suggest(iter(records)))  # type: ignore[misc]
        assert held <= 12 * sum(map(len, records)) + 400_000, (count, size)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_suggested_is_of_use(kind: str) -> None:
    """Entries that a kernel takes, that grant what was asked for, and that nobody needs longer than the name itself."""
    records = log(kind, COUNT, 3800)
    found = suggest(records)
    entries = [entry for one in found for entry in one.recommended]
    assert len(entries) <= COUNT
    longest = max(map(len, records))
    assert all(len(entry.text) <= longest + MAX_ESCAPES for entry in entries)
    (domain,) = parse_domain_policy("<kernel> /x\n" + "".join(f"{entry}\n" for entry in entries))
    assert len(domain.entries) == len(entries)
    engine = DecisionEngine(parse_domain_policy("<kernel> /x\n" + "".join(f"{entry}\n" for entry in entries)), None, None)
    assert all(engine.decide_record(parse_record(text)).granted for text in records)


def test_memory_ends_where_there_is_no_room() -> None:
    """However many different names there are; what is left out is counted."""

    def held(count: int) -> tuple[int, int, int]:
        collector = Suggestions(room=100_000)

        def work() -> None:
            for number in range(count):
                collector.add(parse_record(record(number, *name_read(f"/srv/{digits(number, 20)}"))))

        memory = peak(work)
        return memory, collector.left_out, len(collector.suggestions())

    held(10)
    first, second = held(1500), held(3000)
    assert 0 < first[1] < second[1]
    assert first[2] == second[2] == 1500 - first[1]
    assert second[0] < 1.5 * first[0]  # twice as many names; what reading remembers is bounded by itself


def test_unknown_domains_are_not_remembered() -> None:
    engine = DecisionEngine(parse_domain_policy(POLICY), None, None)

    def records(first: int) -> list[AuditRecord]:
        names = ((number, f"<kernel> /x /{digits(number, 200)}") for number in range(first, first + 300))
        return [parse_record(record(number, "", name, "file read /x")) for number, name in names]

    def ask_for(records: list[AuditRecord]) -> None:
        for one in records:
            engine.decide_record(one)

    ask_for(records(0))
    others = records(1000)
    tracemalloc.start()
    ask_for(others)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # The words of domains' names are remembered, of which there is an end.
    assert held < 300 * 400
