"""The fleet: which computers there are, what shall run on them, and what runs. See ``schemas.fleet``."""
