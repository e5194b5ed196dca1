-- SPDX-License-Identifier: GPL-2.0
-- Which servers accept too slowly? By listener: what was dropped because its accept
-- queue was full, and how long the queue was.

SELECT
    host,
    local_port AS port,
    countIf(NOT has(seg_flags, 'ACK')) AS syns_dropped,
    countIf(has(seg_flags, 'ACK')) AS last_acks_dropped,
    uniqExact(remote_addr) AS peers,
    max(accept_queue) AS longest_queue,
    max(accept_limit) AS backlog,
    min(time) AS first,
    max(time) AS last
FROM renoscope.events FINAL
WHERE kind = 'refused' AND refusal = 'accept_queue_full'
  -- AND time > now() - 86400
GROUP BY host, port
ORDER BY syns_dropped + last_acks_dropped DESC, host, port
