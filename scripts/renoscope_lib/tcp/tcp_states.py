# SPDX-License-Identifier: GPL-2.0
"""The states of RFC 9293 by name, and which of them mean what."""

from __future__ import annotations

LISTEN, SYN_SENT, SYN_RECEIVED = "LISTEN", "SYN-SENT", "SYN-RECEIVED"
ESTABLISHED, CLOSED = "ESTABLISHED", "CLOSED"
FIN_WAIT_1, FIN_WAIT_2 = "FIN-WAIT-1", "FIN-WAIT-2"
CLOSE_WAIT, CLOSING, LAST_ACK = "CLOSE-WAIT", "CLOSING", "LAST-ACK"
TIME_WAIT = "TIME-WAIT"

# As netstat spells them, in the order of a connection's life.
NETSTAT_NAMES = {
    LISTEN: "LISTEN", SYN_SENT: "SYN_SENT", SYN_RECEIVED: "SYN_RECV",
    ESTABLISHED: "ESTABLISHED", FIN_WAIT_1: "FIN_WAIT1",
    FIN_WAIT_2: "FIN_WAIT2", CLOSE_WAIT: "CLOSE_WAIT", CLOSING: "CLOSING",
    LAST_ACK: "LAST_ACK", TIME_WAIT: "TIME_WAIT",
}

# Both have spoken: a full socket knows both ISNs and window scales.
SYNCHRONIZED = (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)

# In these the kernel may keep no more than a small sock.
IN_SMALL_SOCKS = (FIN_WAIT_2, TIME_WAIT)

# Nothing is sent under congestion control.
IDLE = (LISTEN, CLOSED, SYN_SENT, SYN_RECEIVED, TIME_WAIT)
