"""Audit records as lines of JSON, fast enough for a busy kernel.

A line says what ``plain`` says of the parsed record.  But a log repeats its
processes, files and requests again and again, so each part of a record is
written once and remembered.
"""

from __future__ import annotations

import json
from typing import Any

from ..model.records import Task
from ..syntax.records import parse_text, read_details, read_domain, read_request, remembered
from .plain import plain

_ATTRIBUTES = ("path1", "path1_parent", "path2", "path2_parent", "execution", "symlink_target")


def record_line(record: bytes) -> bytes:
    """RECORD, as a ``RecordCutter`` gives it, as a line of JSON.

    Raises InvalidValueError where it is none.
    """
    text = parse_text(record)
    credentials, attributes = _details(text.details)
    line = (
        f'{{"time":"{text.time}","profile":{text.profile},"mode":"{text.mode}",'
        f'"granted":{"true" if text.granted == "yes" else "false"},"global_pid":{text.global_pid},'
        f'"task":{{"pid":{text.pid},"ppid":{text.ppid},{credentials}}},'
        f'"domain":{_domain(text.domain)},"request":{_request(text.request)},{attributes}}}\n'
    )
    return line.encode("ascii")


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@remembered(4096, 600)
def _details(details: str) -> tuple[str, str]:
    """The members of a task but for its numbers, and the members behind the request."""
    credentials, attributes = read_details(details)
    task = plain(Task(0, 0, *credentials))
    del task["pid"], task["ppid"]
    return _dumped(task)[1:-1], _dumped({name: plain(attributes.get(name)) for name in _ATTRIBUTES})[1:-1]


@remembered(4096, 600)
def _domain(domain: str) -> str:
    return _dumped(plain(read_domain(domain)))


@remembered(4096, 600)
def _request(request: str) -> str:
    return _dumped(plain(read_request(request)))
