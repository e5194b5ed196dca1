-- SPDX-License-Identifier: GPL-2.0
-- Whose SYN-ACKs are not answered? By listener: how many were sent again once, twice
-- and so on, how many requests were given up, from how many peers.
--
-- Few peers: their way back loses segments. Very many, and all given up: a flood.

SELECT
    host,
    local_port AS port,
    countIf(kind = 'synack') AS synacks,
    countIf(kind = 'synack_retransmit' AND num_retrans = 0) AS again_1,
    countIf(kind = 'synack_retransmit' AND num_retrans = 1) AS again_2,
    countIf(kind = 'synack_retransmit' AND num_retrans = 2) AS again_3,
    countIf(kind = 'synack_retransmit' AND num_retrans = 3) AS again_4,
    countIf(kind = 'synack_retransmit' AND num_retrans > 3) AS again_5_on,
    countIf(kind = 'request_end' AND request_ending = 'expired') AS given_up,
    uniqExactIf(remote_addr, kind = 'synack_retransmit') AS peers
FROM renoscope.events FINAL
WHERE kind IN ('synack', 'synack_retransmit', 'request_end')
  -- AND time > now() - 86400
GROUP BY host, port
HAVING again_1 + again_2 + again_3 + again_4 + again_5_on + given_up > 0
ORDER BY again_1 DESC, host, port
