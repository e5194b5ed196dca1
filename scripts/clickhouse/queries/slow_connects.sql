-- SPDX-License-Identifier: GPL-2.0
-- Which services are slow to connect to? By the peer's network and port: connect()s,
-- how many failed, and how long they took. Over a second, a SYN was sent again.

SELECT
    prefix,
    port,
    count() AS connects,
    countIf(outcome = 'CLOSED') AS failed,
    countIf(took_us >= 1000000) AS over_a_second,
    quantileExact(0.99)(took_us) / 1000 AS p99_ms
FROM
(
    SELECT
        any(peer_prefix) AS prefix,
        remote_port AS port,
        argMax(state, time_ns) AS outcome,
        intDiv(max(time_ns) - min(time_ns), 1000) AS took_us
    FROM renoscope.events FINAL
    WHERE kind = 'state' AND (state = 'SYN-SENT' OR old_state = 'SYN-SENT')
      -- AND time > now() - 86400
      -- local_port is chosen later: of a SYN without an answer a stream does not have it
    GROUP BY host, cookie, remote_addr, remote_port
    HAVING count() = 2 AND min(state = 'SYN-SENT') = 0 AND max(state = 'SYN-SENT') = 1
)
GROUP BY prefix, port
ORDER BY over_a_second DESC, p99_ms DESC, prefix, port
LIMIT 50
