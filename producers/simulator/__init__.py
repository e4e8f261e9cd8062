"""An exchange that speaks Kite's own protocols, with a seeded market that never sleeps."""
