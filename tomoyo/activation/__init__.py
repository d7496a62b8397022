"""Bringing a kernel to a policy set, and cleaning up afterwards.

Start reading with ``activation``: what the kernel holds is read, ``differences``
finds what differs, ``planner`` puts that into stages that are safe at every
line, ``apply`` writes, verifies and undoes, and ``state`` records the set.
``order`` knows where the order of entries counts, ``kept_domains`` what confines
programs whose domains nobody wants, and ``cleanup`` deletes what is left over.
Imports ``kernel`` and what is below it.
"""
