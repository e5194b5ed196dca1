-- SPDX-License-Identifier: GPL-2.0
-- Why was it sent again? By host and cause; timeouts cost the most.

SELECT
    host,
    retransmit_cause,
    sum(retransmit_segs) AS segments,
    uniqExact(cookie) AS connections,
    uniqExact(peer_prefix) AS networks
FROM renoscope.events FINAL
WHERE kind = 'retransmit'
  -- AND time > now() - 86400
GROUP BY host, retransmit_cause
ORDER BY host, segments DESC, retransmit_cause
