"""Cassandra: candles written and read. Its statements are in ``queries.cql``, its tables in ``infra/ddl``."""
