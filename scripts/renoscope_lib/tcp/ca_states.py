# SPDX-License-Identifier: GPL-2.0
"""The states of congestion avoidance by name (enum tcp_ca_state), and what they mean."""

from __future__ import annotations

OPEN, DISORDER, CWR, RECOVERY, LOSS = "Open", "Disorder", "CWR", "Recovery", "Loss"

# In the kernel's order.
CA_STATES = (OPEN, DISORDER, CWR, RECOVERY, LOSS)

# ssthresh and cwnd are reduced when these begin; in the others cwnd grows.
REDUCING = (CWR, RECOVERY, LOSS)
GROWING = (OPEN, DISORDER)
