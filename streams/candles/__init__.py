"""Candles: ticks folded into minutes, stored in Cassandra, told in topic ``candles`` when they are complete.

**Time.** A tick belongs to the minute of its *last trade* by the exchange's clock (``last_trade_us``); where the
packet has none, of the exchange's packet time (``exchange_us``: indices), else of its receipt (``ltp`` and ``quote``
mode). So a change of depth repeats a trade and changes nothing, and a late packet still lands in its own minute. The
exchange's clock has whole seconds: ticks are ordered by (time, the day's cumulative volume, receipt), then price,
then open interest.

**Day, volume.** The day is the exchange's local date (``schemas/calendar.toml``); cumulative volume begins anew with
it. A candle's volume is its last cumulative volume less that of the instrument's candle before it on the same day;
the first candle's, less what its own first trade says was traded before. Trades between two packets are therefore
never lost, only counted into the later candle. Without volume (``ltp``, indices) it is 0 and ``volume_to`` is -1.
Ticks that say that nothing was traded today (volume 0) make no candle; ticks without a price or with impossible times
are counted and left out.

**Open interest** is the one of the last tick, -1 where there is none.

**Late, repeated, reordered ticks.** Candles form a join-semilattice (``lattice.py``): open at the least key, close at
the greatest, high a maximum, low a minimum, volume a difference of extremes. In whatever order, number and division
ticks come, the candles are the same; what a crash repeats is merged with what is stored. A late tick changes its own
candle and the volume of the one after it.

**Complete** is a candle when the exchange's time of a later packet of the same instrument is more than 2 s past its
end; or when its partition's clock (the largest receive or send time in it: an owner writes at least a sign of life a
second) is past its end and 5 s past the instrument's last packet. All of it is read from the records, none from a
wall clock, so a replay decides the same. It is then told in topic ``candles`` (key: instrument) with ``complete``; if
anything a reader sees changes later, again with ``revision`` one higher. Told at least once, before it is stored as
complete: take the last.

**A gap** (``resumed_us`` of the first tick after an interruption) sets ``gap`` on that tick's candle, on the candles
since the covered time, and, if there are none, on the one before. A day's first candle is marked too when its first
trade was not the day's first: who subscribes in the middle of a session sees it. Minutes between two marked candles
that are absent may have had trades; absent minutes elsewhere had none.

**Durable.** A record of ``ticks`` is acknowledged, in order, after the candles that it touched are stored. When
Cassandra is away nothing is acknowledged, reading goes on until so much is held, and all is stored when it is back.
"""
