/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much of cwnd a sender really uses (RFC 7661, pipeACK).
 */
#ifndef RENOSCOPE_PIPE_ACK_H
#define RENOSCOPE_PIPE_ACK_H

#include <linux/types.h>

/**
 * struct pipe_ack - what one connection had acknowledged a round, at most
 * @period_began_us: when this period began, in microseconds of the caller's clock
 * @most: the most segments acknowledged in one round of this period
 * @most_before: the same of the period before
 */
struct pipe_ack {
	u64 period_began_us;
	u32 most;
	u32 most_before;
};

void pipe_ack_init(struct pipe_ack *pipe, u64 now_us);
void pipe_ack_round(struct pipe_ack *pipe, u32 acked_segments, u64 now_us,
		    u32 srtt_us);
bool pipe_ack_validates(const struct pipe_ack *pipe, u32 cwnd);

#endif /* RENOSCOPE_PIPE_ACK_H */
