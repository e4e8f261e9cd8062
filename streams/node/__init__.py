"""The agent on each computer: it obeys signed commands, runs algos as processes of their own, and tells how it is."""
