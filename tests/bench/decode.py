"""Frames of 300 packets: our decoder to columns, against the official client's parser to dictionaries."""

from __future__ import annotations

import numpy as np
from kiteconnect import KiteTicker

from producers.kite.packets import decode
from tests.bench.frames import mixed_frame, packets, tokens_of, uniform_frame
from tests.bench.measure import Line, in_turn, rate_of, ratio

PACKETS = 300
FRAMES = 16  # different ones, so that no cache flatters either side


def run(quick: bool) -> list[Line]:
    """``decode_*_ratio``."""
    rng = np.random.default_rng(1)
    tokens = tokens_of(PACKETS)
    made = [packets(tokens, second, rng) for second in range(FRAMES)]
    kinds = {
        "full": ([uniform_frame(each) for each in made], 100),
        "quote": ([uniform_frame(each, "quote") for each in made], 60),
        "mixed": ([mixed_frame(each) for each in made], None),
    }
    return [_compare(kind, frames, mark, 0.3 if quick else 1.0) for kind, (frames, mark) in kinds.items()]


def _compare(kind: str, frames: list[bytes], required: float | None, seconds: float) -> Line:
    parse = KiteTicker("key", "token")._parse_binary

    def ours() -> int:
        return sum(len(decode(message, 1).token) for message in frames)

    def plain() -> int:
        return sum(len(parse(message)) for message in frames)

    if ours() != plain():
        raise AssertionError(f"the decoders disagree on {kind} frames")
    rates = in_turn([lambda: rate_of(ours, seconds), lambda: rate_of(plain, seconds)], 5)
    return ratio(f"decode_{kind}_ratio", *rates, required, "packets/s")
