"""The console: one REST API, and the terminal's live view, from which a person sees and steers the platform."""
