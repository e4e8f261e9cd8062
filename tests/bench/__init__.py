"""The benchmark: what the platform moves, against the plain way on the same data in the same run. Never a test.

`./portfolio bench [--quick] [--only NAME] [--json FILE]`. Machines are noisy, so what counts is a ratio to a peer
that does the same work with the same durability, ours and the peer's rounds in turn, medians compared.
"""
