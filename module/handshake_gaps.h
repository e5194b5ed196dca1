/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a request, from the SYN to accept().
 */
#ifndef RENOSCOPE_HANDSHAKE_GAPS_H
#define RENOSCOPE_HANDSHAKE_GAPS_H

#include "gap_probes.h"

struct request_sock;

extern const struct gap_group handshake_gaps;

u8 handshake_ending_unseen(const struct request_sock *req);

#endif /* RENOSCOPE_HANDSHAKE_GAPS_H */
