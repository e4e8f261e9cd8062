"""Cassandra: a session from the settings."""

from __future__ import annotations

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy

from infra.errors import UserError
from infra.settings import Settings, settings


def connect(of: Settings | None = None, *, keyspace: bool = True) -> Session:
    """A session on the keyspace (or on none, to make it). UserError when no contact point answers."""
    chosen = of or settings()
    points = chosen.cassandra_points
    login = PlainTextAuthProvider(chosen.cassandra_user, chosen.cassandra_password) if chosen.cassandra_user else None
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(chosen.cassandra_datacenter)),
        request_timeout=10,
    )
    cluster = Cluster(
        [host for host, _ in points],
        port=points[0][1],
        auth_provider=login,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=5,
        connect_timeout=5,
        # a server that comes back is found again within a second, however long it was away
        reconnection_policy=ConstantReconnectionPolicy(1.0, max_attempts=None),
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=10,
    )
    try:
        return cluster.connect(chosen.keyspace if keyspace else None)
    except NoHostAvailable as error:
        cluster.shutdown()
        where = ", ".join(f"{host}:{port}" for host, port in points)
        raise UserError(f"Cassandra at {where} does not answer; see `./portfolio status`.") from error
