-- SPDX-License-Identifier: GPL-2.0
-- Who resets connections, and why? The kernel tells the reason where the RST is sent,
-- from Linux 6.10 on; whoever receives one sees none.

SELECT
    host,
    if(kind = 'reset_sent', 'sent', 'received') AS direction,
    if(kind = 'reset_sent', reset_reason, '') AS reason,
    state,
    count() AS resets,
    uniqExact(remote_addr) AS peers
FROM renoscope.events FINAL
WHERE kind IN ('reset_sent', 'reset_received')
  -- AND time > now() - 86400
GROUP BY host, direction, reason, state
ORDER BY resets DESC, host, direction, reason, state
