from pathlib import Path

from infra.local.logs import follow, last_lines, rotate, since


def test_a_long_log_is_put_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        assert rotate(path, limit=20)
        assert not rotate(path, limit=20)
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "kafka.log.1").read_bytes() == b"old\n" * 10


def test_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    assert last_lines(path, 2) == []
    path.write_text("one\ntwo\nthree\n", encoding="utf-8")
    assert last_lines(path, 2) == ["two", "three"]
    assert since(path, 4) == ["two", "three"]
    assert since(path, 14) == []
    assert since(path, 999) == ["one", "two", "three"]  # it was put aside meanwhile


def test_following_goes_on_after_the_log_was_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    path.write_text("before\n", encoding="utf-8")
    steps = iter(["more\n", ""])

    def goes_on() -> bool:
        if (text := next(steps, None)) is None:
            return False
        if text:
            with path.open("a", encoding="utf-8") as writer:
                writer.write(text)
        else:
            path.write_text("new\n", encoding="utf-8")
        return True

    assert list(follow(path, goes_on)) == ["more\n", "new\n"]
