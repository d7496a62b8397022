"""What a kernel asks when a program does what none should: the job `odd_requests`, held to what we say is never asked."""

from __future__ import annotations

from tomoyo.decision.impossible_requests import never_asked
from tomoyo.decision.requests import parse_request, request_of
from tomoyo.model.entries import Entry
from tomoyo.syntax.records import iterate_audit

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

ODD = "/var/tmp/odd"


def test_what_is_never_asked_is_not(kernel: Kernel) -> None:
    files = machine.run(kernel, "odd_requests").files
    requests = [request_of(record) for record in iterate_audit([files["audit"]]) if isinstance(record.request, Entry)]
    # On an overlay the kernel asks for its layers, too, where no other system has them.
    asked = {request.text: request for request in requests if "tmpfs:/" not in request.text and "9p:/" not in request.text}
    assert {text: str(found) for text, request in asked.items() if (found := never_asked(request)) is not None} == {}
    assert len(asked) > 150
    operations = {(request.kind, request.operation) for request in asked.values()}
    assert len(operations) > 30
    # What looks as if it could not be, and is.
    for text in (
        f"file unlink {ODD}/dir/",
        f"file rmdir {ODD}/file/",
        f"file link {ODD}/dir/ {ODD}/new/",
        f"file rename {ODD}/file {ODD}/dir/",
        f"file read {ODD}/dir/",
        f"file chroot {ODD}/",
        f"file mkdir {ODD}/new/ 01777",
    ):
        assert text in asked, text
        assert never_asked(parse_request(text)) is None
