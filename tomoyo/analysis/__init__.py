"""Questions to a policy: why (explain), who may (reach), replay, conversion, selection, sorting.

It may import: `model`, `syntax`, `decision`, `lint`.

Start with `explanation` for one request; `reachability` for everybody who may do something;
`replay` for logs.
"""
