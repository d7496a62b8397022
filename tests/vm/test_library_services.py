"""The policy library's services: Debian's programs as packages of a store, confined by a real kernel."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tomoyo.model.profiles import ServiceState

from . import library_layout, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .library_layout import System, unpacked

__all__ = ["kernel", "kernel_release"]

NGINX = """\
pid /run/nginx/nginx.pid;
error_log stderr;
daemon off;
worker_processes 2;
events { }
http {
  include MAILCAP/etc/nginx/mime.types;
  include PACKAGE/conf/fastcgi.conf;
  default_type application/octet-stream;
  client_body_temp_path /tmp/nginx_client_body;
  proxy_temp_path /tmp/nginx_proxy;
  fastcgi_temp_path /tmp/nginx_fastcgi;
  uwsgi_temp_path /tmp/nginx_uwsgi;
  scgi_temp_path /tmp/nginx_scgi;
  sendfile on;
  gzip on;
  ssl_protocols TLSv1.2 TLSv1.3;
  server {
    listen 0.0.0.0:80;
    listen [::]:80;
    root /srv/www;
  }
  server {
    listen 0.0.0.0:443 ssl;
    root /srv/www;
    ssl_certificate /var/lib/acme/example.org/fullchain.pem;
    ssl_certificate_key /var/lib/acme/example.org/key.pem;
  }
}
"""


def certificate(folder: Path) -> dict[str, bytes]:
    """A key with its certificate, for the jobs."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return {name: (folder / name).read_bytes() for name in ("key.pem", "fullchain.pem")}


def nginx_system(folder: Path, configuration: str = NGINX) -> System:
    """A system with nginx."""
    system = System(folder)
    files, shared = unpacked("nginx"), unpacked("nginx-common")
    package = system.add(
        "nginx-1.22.1", {"bin/nginx": files / "usr/sbin/nginx", "conf/fastcgi.conf": shared / "etc/nginx/fastcgi.conf"}
    )
    mailcap = system.add("mailcap-2.1.54", {"etc/nginx/mime.types": shared / "etc/nginx/mime.types"})
    text = configuration.replace("MAILCAP", mailcap).replace("PACKAGE", package)
    system.etc["nginx/nginx.conf"] = system.add("nginx.conf", text)
    system.write()
    return system


LIGHTTPD = """\
server.document-root = "/srv/www"
server.port = 80
server.username = "lighttpd"
server.groupname = "lighttpd"
server.modules = ( "mod_accesslog", "mod_dirlisting" )
accesslog.use-syslog = "enable"
server.errorlog-use-syslog = "enable"
mimetype.assign = ( ".html" => "text/html", ".txt" => "text/plain" )
index-file.names = ( "index.html" )
dir-listing.activate = "enable"
"""


def lighttpd_system(folder: Path) -> System:
    """A system with lighttpd."""
    system = System(folder, libraries=("libnettle8", "libxxhash0"))
    files = unpacked("lighttpd")
    modules = {f"lib/{path.name}": path for path in (files / "usr/lib/lighttpd").glob("*.so")}
    wanted = {place: path for place, path in modules.items() if path.stem in ("mod_accesslog", "mod_dirlisting")}
    system.add("lighttpd-1.4.69", {"bin/lighttpd": files / "usr/sbin/lighttpd", **wanted})
    system.add("lighttpd.conf", LIGHTTPD)
    system.write()
    return system


def run(
    kernel: Kernel,
    folder: Path,
    service: str,
    state: ServiceState,
    system: System,
    files: dict[str, bytes] | None = None,
    arguments: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What the job for SERVICE found out in STATE."""
    # The guest's root directory lies on an overlay, and the kernel asks about its upper layer, too.
    own = {"domains/guest.conf": f"<kernel> nix:/{service}/bin/{service}\nfile getattr tmpfs:/data/\n"}
    policy = system.compiled(library_layout.source(folder / "source", own), {service: state}).policy
    given = {**library_layout.guest_files(policy, folder / "set"), **(files or {})}
    result = machine.run(kernel, service, arguments=[str(system.root), *arguments], files=given, loader="/run/set/boot")
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


@pytest.fixture(scope="module")
def enforced(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """nginx, enforced."""
    folder = tmp_path_factory.mktemp("enforced")
    system = nginx_system(folder / "system")
    return run(kernel, folder, "nginx", ServiceState.ENFORCE, system, certificate(folder), ("60",))


def assert_served(answers: dict[str, Any]) -> None:
    assert answers["test"]["status"] == 0, answers["test"]
    assert "test is successful" in answers["test"]["output"]
    front, picture, missing, listing = answers["pages"]
    assert front.startswith("HTTP/1.1 200"), front
    assert front.endswith("a page\n"), front
    assert "Content-Type: text/plain" in picture, picture
    assert picture.endswith("a page\n"), picture
    assert missing.startswith("HTTP/1.1 404"), missing
    assert listing.startswith("HTTP/1.1 403"), listing
    assert answers["encrypted"].endswith("a page\n"), answers["encrypted"]
    assert [reload["status"] for reload in answers["reload"]] == [0]
    assert answers["reloaded"].endswith("a page\n")
    before, after = answers["logs"]
    # A worker may write to the old one a little longer.
    assert before.count("\n") >= 6, before
    assert after.count("\n") >= 1, after
    assert (answers["stopped"], answers["pid file"], answers["printed"]) == (0, False, "")


def test_an_enforced_nginx_does_its_work_and_is_denied_nothing(enforced: dict[str, Any]) -> None:
    assert_served(enforced)
    assert enforced["domains"] == ["3 <kernel> nix:/nginx/bin/nginx"]
    assert enforced["records"] == []


def test_what_nginx_never_does_is_denied_to_its_domain(enforced: dict[str, Any]) -> None:
    assert {attempt: error for attempt, error in enforced["forbidden"] if error != "EPERM"} == {}
    assert {attempt: error for attempt, error in enforced["allowed"] if error} == {}
    assert len(enforced["forbidden records"]) == len(enforced["forbidden"])


def test_a_permissive_nginx_is_logged_and_denied_nothing(kernel: Kernel, tmp_path: Path) -> None:
    # Started by root, which gives its folders to the workers.
    system = nginx_system(tmp_path / "system", f"user nginx;\n{NGINX}")
    answers = run(kernel, tmp_path, "nginx", ServiceState.PERMISSIVE, system, certificate(tmp_path), ("0",))
    assert_served(answers)
    assert answers["domains"] == ["2 <kernel> nix:/nginx/bin/nginx"]
    assert answers["records"] == []
    assert {attempt for attempt, error in answers["forbidden"] if error == "EPERM"} == set()
    logged = "".join(answers["forbidden records"])
    for request in ("read /etc/shadow", "connect 127.0.0.1 22", "unlink /srv/www/index.html", "execute /usr/bin/"):
        assert request in logged
    assert "mode=permissive granted=no" in logged


def test_an_enforced_lighttpd_does_its_work_and_nothing_else(kernel: Kernel, tmp_path: Path) -> None:
    answers = run(kernel, tmp_path, "lighttpd", ServiceState.ENFORCE, lighttpd_system(tmp_path / "system"))
    assert answers["records"] == []
    assert answers["test"]["status"] == 0, answers["test"]
    front, picture, missing, listing = answers["pages"]
    assert front.endswith("a page\n"), front
    assert "Content-Type: text/plain" in picture, picture
    assert missing.startswith("HTTP/1.0 404"), missing
    assert "1.txt" in listing, listing
    assert answers["reloaded"].endswith("a page\n")
    assert answers["domains"] == ["3 <kernel> nix:/lighttpd/bin/lighttpd"]
    assert answers["user"] == 75
    assert (answers["stopped"], answers["printed"]) == (0, "")
    assert sum("GET / HTTP/1.0" in message for message in answers["logs"]) == 2, answers["logs"]
    assert {attempt: error for attempt, error in answers["forbidden"] if error != "EPERM"} == {}
    assert {attempt: error for attempt, error in answers["allowed"] if error} == {}
    assert len(answers["forbidden records"]) == len(answers["forbidden"])
