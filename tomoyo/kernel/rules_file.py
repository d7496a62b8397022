"""The file that answers of a query session are kept in."""

from __future__ import annotations

import os
import tempfile

from ..analysis.query_rules import QueryRule, parse_query_rules
from .trusted import UnsafeFile, open_folder, read_file


def read_rules(path: str) -> tuple[QueryRule, ...]:
    """The rules in the file PATH.

    Raises PolicySyntaxError for what is no rule, UnsafeFile where another user
    could have written it, OSError where it cannot be read.
    """
    return parse_query_rules(read_file(path).decode("utf-8", "surrogateescape"), file=path)


def prepend_rule(path: str, rule: QueryRule) -> None:
    """Put RULE before all others in the file PATH, which is replaced as a whole.

    Errors as in ``read_rules``; a symbolic link, as NixOS has for files that
    it generates, is not replaced.
    """
    if os.path.islink(path):
        raise UnsafeFile(path, "a symbolic link, which is not to be replaced by a file")
    text = read_file(path)
    folder = open_folder(os.path.dirname(path))
    try:
        mode = os.stat(os.path.basename(path), dir_fd=folder, follow_symlinks=False).st_mode & 0o777
        descriptor, draft = tempfile.mkstemp(prefix=".tomoyo-", dir=f"/proc/self/fd/{folder}")
        try:
            with open(descriptor, "wb") as file:
                file.write(f"{rule}\n".encode() + text)
                os.fchmod(descriptor, mode)
                file.flush()
                os.fsync(descriptor)
            os.rename(os.path.basename(draft), os.path.basename(path), src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(os.path.basename(draft), dir_fd=folder)
            raise
    finally:
        os.close(folder)
