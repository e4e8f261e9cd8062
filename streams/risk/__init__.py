"""Risk: the one place that says yes or no to every order, and knows what is at risk. ``README.md`` has the definitions.

**One fold.** ``book.py`` folds what was said of orders, limits, states and positions; everything is derived from it.
``judge.py`` says what an intent gets, ``exposure.py`` what money at risk is. All of that is pure: no clock, no log.

**One process.** ``agent.py`` takes each record once and in order, ``intake.py`` folds it, ``watching.py`` looks at what
is at risk, ``charge.py`` commits what comes of it: verdicts and the table in one transaction. ``clerk.py`` stops runs,
``store.py`` puts points into the archive.
"""
