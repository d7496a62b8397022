"""What TOMOYO text means, as immutable values; no I/O and no parsing here."""
