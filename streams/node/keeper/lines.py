"""What an algo prints, as numbered lines in a bounded file: ``number at_us source text``.

Every line has a number, the left-out ones too: who reads the file sees from a gap how many are missing, whether there
were too many at once or the file was turned over before they were read.
"""

from __future__ import annotations

import os

LONGEST = 4000  # bytes of a line; the rest of it is left out
FILE_BYTES = 2 << 20  # of each of the two files


class Limiter:
    """A token bucket: ``rate`` a second, and ``burst`` at once."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._left, self._at = rate, burst, burst, -1.0

    def admits(self, now_s: float, cost: float = 1.0) -> bool:
        """Whether there is room for ``cost`` at this moment; if so it is taken. Time that goes back counts as none."""
        if self._at >= 0:
            self._left = min(self._burst, self._left + self._rate * max(0.0, now_s - self._at))
        self._at = max(self._at, now_s)
        if self._left < cost:
            return False
        self._left -= cost
        return True


class Splitter:
    """Bytes to lines. A line longer than ``LONGEST`` is cut, not kept."""

    __slots__ = ("_cut", "_part")

    def __init__(self) -> None:
        self._part = b""
        self._cut = False  # the start of this line was given already

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        *whole, part = (self._part + data).split(b"\n")
        if whole and self._cut:
            whole = whole[1:]
            self._cut = False
        if self._cut:
            part = b""
        elif len(part) > LONGEST:
            whole.append(part)
            part, self._cut = b"", True
        self._part = part
        return [line if len(line) <= LONGEST else line[:LONGEST] + b" [cut]" for line in whole]

    def rest(self) -> list[bytes]:
        """The last line if it had no end."""
        part, self._part = self._part, b""
        return [part] if part else []


class Log:
    """The log of a task: ``log``, and ``log.1`` before it."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "log")  # noqa: PTH118
        self._file = -1
        self._size = 0
        self.number = self._open()
        self.last_error = ""  # the last line on standard error
        self._lines = Limiter(100, 1000)
        self._bytes = Limiter(64 << 10, 512 << 10)
        self.left_out = 0  # since the last line that was written

    def _open(self) -> int:
        """Opens the file, and returns the number of its last line (of the file before, if it is empty)."""
        number = max(last_number(self._path), last_number(self._path + ".1"))
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._file).st_size
        start = max(0, size - 2 * LONGEST)
        self._size = start + os.pread(self._file, size - start, start).rfind(b"\n") + 1
        os.ftruncate(self._file, self._size)  # half a line is left when a keeper was killed in the middle of it
        return number

    def add(self, source: str, lines: list[bytes], now_s: float, at_us: int) -> None:
        """Writes the lines that the limits admit."""
        kept = []
        for line in lines:
            self.number += 1
            if source == "err" and line.strip():
                self.last_error = line.decode(errors="replace").strip()[:500]
            if self._bytes.admits(now_s, len(line)) and self._lines.admits(now_s):
                kept.append(b"%d %d %s %s\n" % (self.number, at_us, source.encode(), line))
                self.left_out = 0
            else:
                self.left_out += 1
        self._write(b"".join(kept))

    def say(self, text: str, at_us: int) -> None:
        """A line of the keeper's own."""
        self.number += 1
        self._write(b"%d %d node %s\n" % (self.number, at_us, text.replace("\n", " ").encode()))
        self.left_out = 0

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._size + len(data) > FILE_BYTES:
            os.close(self._file)
            os.replace(self._path, self._path + ".1")  # noqa: PTH105
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = 0
        try:
            self._size += os.write(self._file, data)
        except OSError:  # a full disk must not end the algo; the numbers tell what is missing
            return


def last_number(path: str) -> int:
    """The number of a log's last whole line; 0 when there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2 * LONGEST - 200))
            lines = file.read().split(b"\n")
    except OSError:
        return 0
    for line in reversed(lines[:-1]):
        number, _, rest = line.partition(b" ")
        if number.isdigit() and rest.partition(b" ")[0].isdigit():
            return int(number)
    return 0
