from pathlib import Path

import pytest

from infra.errors import UserError
from infra.migrations import Migration, pending, read

ONE = Migration(
    1, "0001_one.cql", "CREATE TABLE a (b int PRIMARY KEY); -- ; a remark\nCREATE TABLE c (d int PRIMARY KEY);\n"
)
TWO = Migration(2, "0002_two.cql", "ALTER TABLE a ADD e int;")


def test_statements_are_told_apart_and_remarks_left_out() -> None:
    assert ONE.statements == ["CREATE TABLE a (b int PRIMARY KEY)", "CREATE TABLE c (d int PRIMARY KEY)"]


def test_only_what_was_not_run_is_pending() -> None:
    assert pending([ONE, TWO], {}, "Cassandra") == [ONE, TWO]
    assert pending([ONE, TWO], {1: ONE.checksum}, "Cassandra") == [TWO]


def test_a_migration_changed_after_it_was_run_is_refused() -> None:
    with pytest.raises(UserError, match=r"0001_one\.cql was changed"):
        pending([ONE], {1: TWO.checksum}, "Cassandra")


def test_migrations_are_read_in_order_and_a_number_is_given_once(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "0001_a.cql", "notes.sql"):
        (tmp_path / name).write_text("SELECT 1;", encoding="utf-8")
    assert [m.name for m in read("sql", tmp_path)] == ["0001_a.sql", "0002_b.sql"]
    (tmp_path / "0002_c.sql").touch()
    with pytest.raises(ValueError, match="same number"):
        read("sql", tmp_path)
