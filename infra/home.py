"""Where a home is. By itself: whoever has to be quick needs no settings for it."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent


def home_path() -> Path:
    """The folder in which all data live: ``PORTFOLIO_HOME``, or ``.portfolio`` in the checkout."""
    return Path(os.environ.get("PORTFOLIO_HOME") or CHECKOUT / ".portfolio").absolute()
