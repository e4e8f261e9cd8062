"""When an algo that failed is started again: a pure fold over its failures."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
WINDOW_US = 10 * 60_000_000
MOST_FAILURES = 5  # within the window; then it stays stopped until it is commanded
FINAL_CODES = (2, 3)  # the user's mistake; the limit of the algo's own errors: starting again would repeat them


@dataclass(frozen=True, slots=True)
class Failures:
    """Times of the recent failures, oldest first, in microseconds."""

    at_us: tuple[int, ...] = ()

    def and_at(self, now_us: int) -> Failures:
        """With one more. What is older than the window is forgotten; a clock that was set back forgives nothing."""
        recent = [at for at in self.at_us if now_us - at < WINDOW_US]
        return Failures((*recent, now_us)[-MOST_FAILURES:])

    @property
    def too_many(self) -> bool:
        """Whether it is a crash loop."""
        return len(self.at_us) >= MOST_FAILURES

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start: doubles with every recent failure."""
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (len(self.at_us) - 1)) if self.at_us else 0.0
