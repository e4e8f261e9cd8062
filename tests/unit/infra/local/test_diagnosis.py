import pytest

from infra.local.diagnosis import cause, last_words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("java.io.IOException: No space left on device", "disk is full"),
        ("java.net.BindException: Address already in use", "ports is taken"),
        ("FATAL:  database files are incompatible with server", "down --wipe"),
        ("java.lang.OutOfMemoryError: Java heap space", "not enough memory"),
    ],
)
def test_known_last_words_become_a_sentence_that_says_what_to_do(line: str, said: str) -> None:
    assert said in cause(1, ["INFO fine", line, "\tat some.Frame(X.java:1)"])


def test_unknown_last_words_are_repeated_without_stack_frames() -> None:
    lines = ["fine", "ERROR something odd", "\tat some.Frame(X.java:1)", "bye"]
    assert last_words(lines) == ["ERROR something odd"]
    assert cause(3, lines) == "It ended with status 3. Last words: ERROR something odd"


def test_a_signal_is_named() -> None:
    assert "SIGKILL" in cause(-9, ["ERROR of long ago"])
    assert "SIGSEGV" in cause(-11, [])
