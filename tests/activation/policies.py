"""Random pairs of small policies, for asking how a kernel gets from the one to the other."""

from __future__ import annotations

import random
from dataclasses import replace

from tomoyo.sets.policy_set import LOADING, PolicySet
from tomoyo.simulation.simulated_kernel import SimulatedKernel

DOMAINS = (
    "<kernel> /usr/sbin/sshd",
    "<kernel> /usr/sbin/sshd /bin/sh",
    "<kernel> /usr/sbin/nginx",
    "<kernel> nix:/nginx/bin/nginx",
    "<other>",
    "<other> /bin/sh",
)
ENTRIES = (
    "file read /etc/passwd",
    "file read/write /tmp/\\*",
    "file write /tmp/\\*",
    "file read @libraries",
    "file read/append/getattr @logs",
    "file write /var/log/a task.uid=0",
    "file execute /bin/sh",
    "file execute /bin/\\*",
    "file execute /bin/sh keep exec.argc=1-3",
    "file execute /bin/sh grant_log=yes",
    "file execute/read /usr/bin/\\*",
    "file read /srv/\\* grant_log=no",
    "file read /srv/data grant_log=yes",
    "network inet stream bind/listen 0.0.0.0 80",
    "network inet stream connect @servers @ports",
    "file create /tmp/x 0600-0644",
    "misc env PATH",
    "task manual_domain_transition <kernel> /bin/x",
)
EXCEPTIONS = (
    "initialize_domain /usr/sbin/sshd from any",
    "no_initialize_domain /usr/sbin/sshd from <kernel> /bin/sh",
    "keep_domain any from <kernel> /bin/sh",
    "no_keep_domain /bin/sh from <kernel> /bin/sh",
    "reset_domain /bin/su from any",
    "aggregator /nix/store/aaa-nginx/bin/nginx nix:/nginx/bin/nginx",
    "aggregator /nix/store/bbb-nginx/bin/nginx nix:/nginx/bin/nginx",
    "aggregator /nix/store/\\*/bin/nginx /nginx/other",
    "aggregator /nix/store/bbb-\\*/bin/\\* /nginx/third",
    "path_group libraries /usr/lib/\\*.so",
    "path_group libraries /lib/\\*.so",
    "path_group logs /var/log/\\*",
    "path_group nix:/glibc/lib/libc.so.6 /nix/store/aaa-glibc/lib/libc.so.6",
    "number_group ports 80-443",
    "number_group ports 0x50",
    "address_group servers 10.0.0.0-10.0.0.255",
)
MODES = ("disabled", "learning", "permissive", "enforcing")
PARTS = ("file", "file::open", "file::execute", "network", "network::inet_stream_connect")
MANAGERS = ("/usr/sbin/tomoyo-loadpolicy", "/usr/bin/python3", "<kernel> /bin/manager")


def random_set(draw: random.Random) -> PolicySet:
    """A policy as one would write it; domains that differ in anything."""
    domains = ["<kernel>\nuse_profile 0\n"]
    for name in draw.sample(DOMAINS, draw.randint(0, len(DOMAINS))):
        groups = "".join(f"use_group {number}\n" for number in draw.sample(range(4), draw.choice((0, 0, 1, 2))))
        entries = draw.sample(ENTRIES, draw.randint(0, 7))
        domains.append("\n".join([name, f"use_profile {draw.randint(0, 4)}", groups, *entries, ""]))
    exceptions = draw.sample(EXCEPTIONS, draw.randint(0, len(EXCEPTIONS)))
    exceptions += [f"acl_group {draw.randint(0, 3)} {draw.choice(ENTRIES)}" for _ in range(draw.randint(0, 6))]
    exceptions += [f"<other> {line}" for line in draw.sample(EXCEPTIONS, draw.choice((0, 0, 3)))]
    profiles = []
    for namespace in ("<kernel>", "<other>"):
        profiles.append(f"{namespace} PROFILE_VERSION=20150505")
        for number in range(5):
            value = "{{ mode={} grant_log=no reject_log=yes }}"
            profiles.append(f"{namespace} {number}-CONFIG={value.format(draw.choice(MODES))}")
            for part in draw.sample(PARTS, draw.choice((0, 0, 1, 3))):
                profiles.append(f"{namespace} {number}-CONFIG::{part}={value.format(draw.choice(MODES))}")
    managers = draw.sample(MANAGERS, draw.randint(1, 3))
    quotas = [f"Memory used by policy: {draw.choice((0, 5, 7)) * 10**8}"] * draw.randint(0, 1)
    texts = ("\n".join(domains), *("".join(f"{line}\n" for line in part) for part in (exceptions, profiles, managers, quotas)))
    return PolicySet(texts[0], texts[1], "", texts[2], texts[3], texts[4])


def bootable(policy: PolicySet) -> PolicySet:
    """POLICY with a domain, and with the one that its transitions lead to, without which an activation refuses it.

    The namespace of that domain is always there, as a kernel that has one cannot forget it.
    """
    if "</bin/su> 0-" not in policy.profile:
        modes = enumerate((*MODES, MODES[0]))
        lines = [f"</bin/su> {number}-CONFIG={{ mode={mode} grant_log=no reject_log=yes }}\n" for number, mode in modes]
        policy = replace(policy, profile=policy.profile + "".join(lines))
    if not policy.domain_policy:
        policy = replace(policy, domain_policy="<kernel>\nuse_profile 0\n\n\n")
    leads = "reset_domain /bin/su" in policy.exception_policy.replace("no_reset_domain", "")
    if leads and "\n</bin/su>\n" not in f"\n{policy.domain_policy}":
        policy = replace(policy, domain_policy=f"{policy.domain_policy}</bin/su>\nuse_profile 0\n\n\n")
    return policy


def held_by(policy: PolicySet) -> SimulatedKernel:
    """A running kernel that was booted with POLICY."""
    kernel = SimulatedKernel()
    for name, interface in LOADING:
        kernel.write(interface, getattr(policy, name))
    kernel.activate()
    return kernel


def texts(kernel: SimulatedKernel) -> PolicySet:
    """What KERNEL holds, as it prints it."""
    names = ("domain_policy", "exception_policy", "profile", "manager", "stat")
    return PolicySet(**{name: kernel.read(name) for name in names})
