-- SPDX-License-Identifier: GPL-2.0
-- To which networks is much sent again? By the peer's /24 or /48, the worst first.
--
-- Of connections that ended meanwhile and had sent data: the kernel's own sums, `sent` of
-- segments with data. One that a program aborted has none, and none of a host is here
-- whose module does not count segments with data.

SELECT
    peer_prefix,
    uniqExact(host) AS hosts,
    count() AS connections_ended,
    sum(data_segs_out) AS sent,
    sum(retrans_segs) AS again,
    round(100 * again / sent, 3) AS again_percent
FROM renoscope.events FINAL
WHERE kind = 'destroy' AND data_segs_out > 0
  -- AND time > now() - 86400
GROUP BY peer_prefix
ORDER BY again_percent DESC, again DESC, peer_prefix
LIMIT 50
