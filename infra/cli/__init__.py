"""The command line's entrance: gathers each room's own commands."""
