"""The fleet: which computers there are, what shall run on them, and what runs. The records are in ``schemas.fleet``.

**One fold.** ``fold.py`` folds what was decided (``nodes``, ``algos``, ``tasks``, ``commands``) and what nodes say
(``heartbeats``, ``algo-events``) into ``FleetState``; ``states.py`` and ``views.py`` say, for an instant, what a person
sees of it. The fleet service and the console fold the same topics and agree. Order between topics and repetition do not
matter; times are Kafka's own, so that a node's wrong clock is seen and does no harm.

**A wish, then a command.** A request becomes records in this order: the ``Task`` as it shall be, then a signed
``Command`` that tells its node now (``commands.py`` plans, ``desk.py`` writes). A command that is lost, refused or too
late leaves the wish standing: the service gives it again when the node is there, with growing patience
(``reconcile.py``). What came to an end that only a person can change (finished, failed, crash loop, lost lease) is left
alone. A stop by anybody also lifts the schedule: it counts until somebody starts the run again.

**Schedules** (``schedule.py``, ``cron.py``, ``timetable.py``) are in market time. ``Task.changed_us`` says up to when
one was heeded, so a start that falls due while the service is down is made up while its session is open, and told as
``missed`` when it cannot be.

**Joining** (``join.py``, ``invitation.py``): a token lets one computer in, once; its secret is never in the log.

**The service** (``app.py``, ``clerk.py``): a Faust app keeps the fold in tables with compacted changelogs and serves it
on the loopback address; beside it threads do the duties above, each only while the tables are recovered and read to the
end. Everything may be repeated: a crash between any two lines does no harm.
"""
