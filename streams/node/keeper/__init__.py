"""The keeper: one small process beside each algo, that outlives the agent.

It starts the algo in a session of its own with limits, writes what it prints to a bounded log, watches memory,
processor, number of processes and lease of the whole tree, and ends all of it: TERM, then KILL. It is the tree's
*subreaper*: whatever an algo's process forks, in whatever session, stays its descendant.

Only the standard library's small modules are used here, and neither ``dataclasses`` nor ``typing``: one keeper runs
for each algo, and those two alone would make it a third larger.
"""
