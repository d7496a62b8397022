"""Names and store paths. Three rooms: `store` (what Nix has), `names` (what a policy calls it), `source` (what people write).

It may import: every room up to `audit`.

Start with `names.names`, what a name is; `names.binder`, what ties it to a hash;
`source.compile`, which makes a set.
"""
