-- SPDX-License-Identifier: GPL-2.0
-- To which networks is much sent again? By the peer's /24 or /48, the worst first.
--
-- Of connections that ended meanwhile: the kernel's own sums. One that a program
-- aborted has none.

SELECT
    peer_prefix,
    uniqExact(host) AS hosts,
    count() AS connections_ended,
    sum(segs_out) AS sent,
    sum(retrans_segs) AS again,
    round(100 * again / sent, 3) AS again_percent
FROM renoscope.events FINAL
WHERE kind = 'destroy' AND segs_out > 0
  -- AND time > now() - 86400
GROUP BY peer_prefix
ORDER BY again_percent DESC, again DESC, peer_prefix
LIMIT 50
