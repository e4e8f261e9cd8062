"""Prices as they come: the live table of instruments, the readers that keep it, and `portfolio tail`."""
