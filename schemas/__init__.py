"""The language of Portfolio: records, topics and their bytes. No I/O, and nothing of ours is imported here."""
