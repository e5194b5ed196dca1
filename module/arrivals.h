/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A segment reaches a connection.
 */
#ifndef RENOSCOPE_ARRIVALS_H
#define RENOSCOPE_ARRIVALS_H

struct sk_buff;
struct sock;

void probe_ack(void *data, struct sock *sk, struct sk_buff *skb);
void record_arrival(const struct sock *sk, const struct sk_buff *skb);

#endif /* RENOSCOPE_ARRIVALS_H */
