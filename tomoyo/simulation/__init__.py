"""A kernel's policy as a value: what writing these lines would leave in it.

It may import: `model`, `syntax`.

Start with `simulated_kernel`, which behaves as the kernel's interface files do; `policy_reading`
parses only what differs, `located_policy` is what several texts say, with the place of each line.
"""
