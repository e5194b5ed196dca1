-- SPDX-License-Identifier: GPL-2.0
-- How far can the other answers be trusted? By host and hour: events that came, and
-- events overwritten before they were read. An hour without a line is a hole.
--
-- What a reader did not find any more when it came (serial 1) was before its time.

SELECT
    host,
    toStartOfHour(time) AS hour,
    countIf(kind != 'lost') AS events,
    sumIf(lost_events, kind = 'lost' AND serial > 1) AS lost,
    round(100 * lost / (events + lost), 3) AS lost_percent
FROM renoscope.events FINAL
  -- WHERE time > now() - 86400
GROUP BY host, hour
ORDER BY host, hour
