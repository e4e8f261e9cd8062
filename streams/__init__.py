"""Answers: every part here is woken by the log. Nothing here opens a connection to a market or a broker."""
