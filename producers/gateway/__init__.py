"""What every account's gateway shares: the one door through which orders leave. See README.md."""
