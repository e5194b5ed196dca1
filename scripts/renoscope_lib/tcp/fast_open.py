# SPDX-License-Identifier: GPL-2.0
"""What became of a Fast Open child's SYN-ACK.

The child is in the accept queue before anybody answered: a forged SYN makes one, too.
The kernel counts its handshake as done when the SYN-ACK is acknowledged, in
SYN-RECEIVED or, if our program has closed it by then, in FIN-WAIT-1
(tcp_rcv_state_process(), where it lets go of fastopen_rsk).
"""

from __future__ import annotations

from ..ring.schema import Event
from .sequence import MODULUS
from .tcp_states import CLOSED, FIN_WAIT_1, SYN_RECEIVED

# The states in which the SYN-ACK may be unanswered.
OPEN_STILL = (SYN_RECEIVED, FIN_WAIT_1)


def is_answered(event: Event, old: str, new: str) -> bool | None:
    """What the child's change of state says; None if it does not decide.

    Of one that is closed in FIN-WAIT-1 only an RTT or an acknowledged byte tells.
    """
    if new in OPEN_STILL:
        return None
    if old not in OPEN_STILL or new != CLOSED:
        return True
    first = (event["snd_isn"] + 1) % MODULUS
    return bool(event["srtt_us"] or event["snd_una"] not in (0, first))
