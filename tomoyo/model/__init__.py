"""Values of TOMOYO policy: words, entries, domains, exception policy, profiles, managers, records, statistics.

It may import: nothing but the standard library.

Start with `entries`, what a domain may do; then `domains` and `exception_policy`. `words` says what
a word is.
"""
