-- SPDX-License-Identifier: GPL-2.0
-- Which hosts suffer? One line a host, the worst first.
--
-- again_percent is of the segments with data that connections which ended meanwhile had
-- sent; a SYN that went again is in it, if data followed. Of a host whose module does not
-- count segments with data it is not known. retransmits, timeouts and the rest are of
-- all connections.

SELECT
    host,
    countIf(kind = 'destroy' AND segs_out > 0) AS connections_ended,
    round(100 * sumIf(retrans_segs, kind = 'destroy' AND data_segs_out > 0)
        / sumIf(data_segs_out, kind = 'destroy'), 3) AS again_percent,
    sumIf(retransmit_segs, kind = 'retransmit') AS retransmits,
    countIf(kind = 'rto') AS timeouts,
    countIf(kind = 'synack_retransmit') AS synacks_again,
    countIf(kind = 'refused') AS refused,
    countIf(kind = 'reset_sent') AS resets_sent,
    countIf(kind = 'reset_received') AS resets_received,
    sumIf(lost_events, kind = 'lost' AND serial > 1) AS lost_events
FROM renoscope.events FINAL
WHERE kind IN ('destroy', 'retransmit', 'rto', 'synack_retransmit', 'refused',
               'reset_sent', 'reset_received', 'lost')
  -- AND time > now() - 86400
GROUP BY host
ORDER BY timeouts + refused DESC, retransmits DESC, host
