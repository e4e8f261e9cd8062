"""The simulator as the official client and raw sockets find it."""
