"""The policy library's modules under a real kernel: a script that needs nothing but what they grant."""

from __future__ import annotations

import json
from pathlib import Path

from tomoyo.nix.source.library import library_modules

from . import library_layout, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .library_layout import System
from .test_library_services import certificate

__all__ = ["kernel", "kernel_release"]

TOOLS = {
    "coreutils-9.1": ("cat", "date", "id", "mktemp", "rm", "sort", "tr", "head", "sleep", "mkdir", "ls", "env"),
    "gnugrep-3.8": ("grep",),
    "gnused-4.9": ("sed",),
    "findutils-4.9.0": ("find",),
}
#: Everything that it writes is part of what is expected.
SCRIPT = r"""#!BASH/bin/bash
set -eu
PATH=PATHS
folder=$(mktemp -d)
printf 'b\na\n' > "$folder/x"
mkdir "$folder/deep"
sort < "$folder/x" | tr a-z A-Z | grep -v B | sed 's/A/sorted/' > "$folder/deep/y"
cat "$folder/deep/y"
find "$folder" -name y | grep -c deep
id -un
TZ=:/etc/zoneinfo/UTC date -d @0 +%H:%M
LC_ALL=C.UTF-8 ls "$folder"
rm -r "$folder"
cd /var/lib/backup
openssl s_server -quiet -accept 4433 -cert fullchain.pem -key key.pem -www > /dev/null 2>&1 &
server=$!
for attempt in 1 2 3 4 5 6 7 8 9{0..9}{0..9}; do
  if (exec 3<> /dev/tcp/localhost/4433) 2> /dev/null; then break; fi
  sleep 1
done
echo 'GET / HTTP/1.0

' | openssl s_client -connect localhost:4433 -verify_return_error -ign_eof -quiet 2> /dev/null | tr -d '\r' | head -n 1
kill $server
wait $server 2> /dev/null || echo stopped
"""
PRINTED = "sorted\n1\nroot\n00:00\ndeep\nx\nHTTP/1.0 200 ok\nstopped\n"
#: Every module that the script needs, and what is its own.
POLICY = """
<kernel> nix:/backup/bin/backup
use_profile 3
use_group base
use_group libraries
use_group name-service
use_group network-client
use_group network-server
use_group shell-scripts
use_group systemd-service
use_group temporary-files
use_group tls

file read/getattr @nix:/backup/bin/backup
file ioctl @nix:/backup/bin/backup 0x5401
file execute nix:/openssl/bin/openssl keep
file read/getattr @nix:/openssl/bin/openssl
file read/getattr /var/lib/backup/\\*.pem
file getattr /var/
file getattr /var/lib/
file getattr /var/lib/backup/
# The guest's root directory lies on an overlay, about whose upper layer the kernel asks, too.
file read/getattr tmpfs:/data/
"""


def backup_system(folder: Path, authority: bytes) -> System:
    """A system with the script, a shell and tools, which trusts AUTHORITY."""
    system = System(folder)
    bash = system.add("bash-5.2p15", {"bin/bash": Path("/bin/bash").resolve()})
    paths = [system.add(name, {f"bin/{tool}": library_layout.program(tool) for tool in tools}) for name, tools in TOOLS.items()]
    paths.append(system.add("openssl-3.0.17", {"bin/openssl": library_layout.program("openssl")}))
    script = SCRIPT.replace("BASH", bash).replace("PATHS", ":".join(f"{path}/bin" for path in paths))
    system.add("backup-1.0", {"bin/backup": script})
    trusted = system.inside(system.etc["ssl/certs/ca-certificates.crt"])
    trusted.write_bytes(authority)
    system.write()
    return system


def test_a_script_needs_no_more_than_the_modules_grant(kernel: Kernel, tmp_path: Path) -> None:
    files = certificate(tmp_path)
    system = backup_system(tmp_path / "system", files["fullchain.pem"])
    own = {"domains/backup.conf": POLICY, "exceptions/backup.conf": "initialize_domain nix:/backup/bin/backup from any\n"}
    compiled = system.compiled(library_layout.source(tmp_path / "source", own), {})
    assert set(compiled.policy.manifest["modules"]) <= set(library_modules())
    given = {**library_layout.guest_files(compiled.policy, tmp_path / "set"), **files}
    result = machine.run(kernel, "library_modules", arguments=[str(system.root)], files=given, loader="/run/set/boot")
    answers = json.loads(result.files["answers.json"])
    # A record is three lines, the last of which is the request.
    assert "\n".join(record.split("\n")[-1] for record in answers["records"]) == ""
    assert answers["script"] == {"status": 0, "output": PRINTED}
    assert {attempt: error for attempt, error in answers["forbidden"] if error != "EPERM"} == {}
    assert {attempt: error for attempt, error in answers["allowed"] if error} == {}
