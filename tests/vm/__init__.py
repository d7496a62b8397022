"""A virtual machine with a real TOMOYO kernel, for tests that need the kernel's own word.

On the host: `fixtures` gives a test its kernel, `kernels` fetches it (through `debian`), `initramfs` makes it bootable,
`machine` boots it and runs one *job*: a Python file from `jobs/`, executed inside the guest by the Python that runs the tests.
In the guest: a job imports `guest`, which knows the kernel's interface files.
"""
