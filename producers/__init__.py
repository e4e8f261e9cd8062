"""Every connection to a market or a broker: one folder per outside party. Producers and streams meet in topics."""
