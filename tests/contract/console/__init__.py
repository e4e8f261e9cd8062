"""The console's REST interface on real servers."""
