"""Two algos to begin with; each is a file that ``portfolio algo submit`` takes as it is."""
