"""Positions: what every algo holds of every instrument, as a fold of fills; and whether the broker agrees."""
