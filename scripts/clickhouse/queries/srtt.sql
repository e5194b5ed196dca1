-- SPDX-License-Identifier: GPL-2.0
-- Which networks are far away, or have become so? srtt in ms by the peer's /24 or /48:
-- of each connection that ended, its last; of those whose SYN nobody answered there is none.

SELECT
    peer_prefix,
    count() AS connections_ended,
    quantileExact(0.5)(srtt_us) / 1000 AS median_ms,
    quantileExact(0.99)(srtt_us) / 1000 AS p99_ms,
    max(srtt_us) / 1000 AS longest_ms
FROM renoscope.events FINAL
WHERE kind = 'destroy' AND srtt_us > 0 AND segs_out > 0
  -- AND time > now() - 86400
GROUP BY peer_prefix
ORDER BY p99_ms DESC, peer_prefix
LIMIT 50
