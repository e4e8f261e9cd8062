"""Real Kafka, Cassandra and PostgreSQL on one machine without Docker, and the supervisor that runs the platform."""
