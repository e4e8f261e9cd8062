"""Zerodha Kite: session, websocket ticks, packets, instruments. The simulator is only another address of it."""
