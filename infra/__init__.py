"""Our hands on servers: settings, clock, log, Kafka, Cassandra, PostgreSQL, and the command line's entrance."""
