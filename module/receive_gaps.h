/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What segments that reach a socket make us record where no tracepoint tells.
 */
#ifndef RENOSCOPE_RECEIVE_GAPS_H
#define RENOSCOPE_RECEIVE_GAPS_H

#include "event_schema.h"
#include "gap_probes.h"

struct sk_buff;
struct sock;

extern const struct gap_group receive_gaps;

void record_reset_sent(const struct sock *sk, const struct sk_buff *skb,
		       u32 reason);
void capture_reset_segment(struct tcp_event *event, const struct sock *sk);

#endif /* RENOSCOPE_RECEIVE_GAPS_H */
