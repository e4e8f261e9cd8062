"""Where the recorded data lie that the tests read: ``PORTFOLIO_DATA``, or ``../shared/data`` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


def data_file(name: str) -> Path:
    """A recorded file; the test is skipped where there is none."""
    folder = Path(os.environ.get("PORTFOLIO_DATA") or CHECKOUT.parent / "shared" / "data")
    path = folder / name
    if not path.exists():
        pytest.skip(f"no recorded data at {path}: set PORTFOLIO_DATA")
    return path
