"""The live account at Zerodha, through the official REST client: orders out, news in. See ``producers/gateway``."""
