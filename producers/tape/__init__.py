"""Files of recorded trades, read into columns and played by the simulator through its websocket."""
