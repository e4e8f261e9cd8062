"""The fixture's servers hold what the platform declares."""

from infra import cassandra, kafka, migrations, postgres
from infra.settings import Settings
from schemas.topics import TOPICS


def test_every_declared_topic_is_there_and_making_them_again_changes_nothing(servers: Settings) -> None:
    there = kafka.admin(servers).list_topics(timeout=10).topics
    assert set(TOPICS) <= set(there)
    assert {name: len(there[name].partitions) for name in TOPICS} == {
        name: kafka.partitions_of(topic, servers) for name, topic in TOPICS.items()
    }
    assert kafka.make_topics(servers) == []


def test_migrations_have_run_and_are_remembered(servers: Settings) -> None:
    assert migrations.migrate_cassandra(servers) == []
    assert migrations.migrate_postgres(servers) == []
    session = cassandra.connect(servers)
    remembered = {row.name for row in session.execute("SELECT name FROM schema_migrations")}
    session.cluster.shutdown()
    assert remembered >= {migration.name for migration in migrations.read("cql")}
    with postgres.connect(servers) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM schema_migrations")
        assert {name for (name,) in cursor.fetchall()} >= {migration.name for migration in migrations.read("sql")}
