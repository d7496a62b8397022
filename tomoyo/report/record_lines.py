"""Audit records as lines of JSON, fast enough for a busy kernel.

A line says what ``plain`` says of the parsed record.  But a log repeats its
processes, files and requests again and again, so each part of a record is
parsed once and remembered as JSON.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..model.records import AuditRecord
from ..syntax.records import parse_record
from .plain import plain

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

_PARTS = re.compile(
    rb"#(\d{4,}/\d\d/\d\d \d\d:\d\d:\d\d)# profile=(\d{1,3}) mode=([a-z]+) granted=(yes|no) \(global-pid=([1-9]\d{0,9})\)"
    rb" (task=\{ [ -~]*? \})((?: [ -~]*)?)\n(<[ -~]+)\n([ -~]+)\n"
)
#: A record to put a part into, so that the part is parsed as in its own.
_HEADER = b"#2026/01/01 00:00:00# profile=0 mode=disabled granted=no (global-pid=1) %s%s\n%s\n%s\n"
_TASK = b"task={ pid=1 ppid=1 uid=0 gid=0 euid=0 egid=0 suid=0 sgid=0 fsuid=0 fsgid=0 }"
_DOMAIN = b"<kernel>"
_REQUEST = b"quota_exceeded"
_ATTRIBUTES = ("path1", "path1_parent", "path2", "path2_parent", "execution", "symlink_target")
#: How many parts of each sort are remembered, and how long one may be: a hostile log is to take no more than 40 MB.
_CACHED = 1 << 12
_LONGEST = 600


def record_line(record: bytes) -> bytes:
    """RECORD, as a ``RecordCutter`` gives it, as a line of JSON.

    Raises ValueError where it is none.
    """
    found = _PARTS.fullmatch(record)
    if found is None:
        return _dumped(plain(parse_record(record))) + b"\n"  # which says what is wrong
    time, profile, mode, granted, process, task, attributes, domain, request = found.groups()
    return b'{%s,"global_pid":%s,%s,%s,%s,%s}\n' % (
        _decision(time, profile, mode, granted),
        process,
        _part(_task, task),
        _part(_domain, domain),
        _part(_request, request),
        _part(_attributes, attributes),
    )


def _part(function: _lru_cache_wrapper[bytes], text: bytes) -> bytes:
    return function(text) if len(text) <= _LONGEST else function.__wrapped__(text)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _members(record: AuditRecord, *names: str) -> bytes:
    """The members NAMES of the JSON object for RECORD, without its braces."""
    return _dumped({name: plain(getattr(record, name)) for name in names})[1:-1]


@lru_cache(_CACHED)
def _decision(time: bytes, profile: bytes, mode: bytes, granted: bytes) -> bytes:
    header = b"#%s# profile=%s mode=%s granted=%s (global-pid=1) " % (time, profile, mode, granted)
    record = parse_record(header + b"%s\n%s\n%s\n" % (_TASK, _DOMAIN, _REQUEST))
    return _members(record, "time", "profile", "mode", "granted")


@lru_cache(_CACHED)
def _task(task: bytes) -> bytes:
    return _members(parse_record(_HEADER % (task, b"", _DOMAIN, _REQUEST)), "task")


@lru_cache(_CACHED)
def _attributes(attributes: bytes) -> bytes:
    return _members(parse_record(_HEADER % (_TASK, attributes, _DOMAIN, _REQUEST)), *_ATTRIBUTES)


@lru_cache(_CACHED)
def _domain(domain: bytes) -> bytes:
    return _members(parse_record(_HEADER % (_TASK, b"", domain, _REQUEST)), "domain")


@lru_cache(_CACHED)
def _request(request: bytes) -> bytes:
    return _members(parse_record(_HEADER % (_TASK, b"", _DOMAIN, request)), "request")
