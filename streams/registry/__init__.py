"""PostgreSQL: what must be looked up, counted or kept for years: join tokens, the audit of commands."""
