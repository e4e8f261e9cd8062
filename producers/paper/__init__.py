"""The paper account: an exchange of our own that fills orders from live ticks, by the model in ``README.md``."""
