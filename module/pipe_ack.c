// SPDX-License-Identifier: GPL-2.0
/*
 * How much of cwnd a sender really uses, and nothing else.
 *
 * cwnd grows by what is acknowledged. If the application sends less than cwnd
 * allows, the growth proves nothing of the path. RFC 7661 measures, in pipeACK,
 * the most that was acknowledged within a round trip of late, and lets cwnd grow
 * only while that is at least half of cwnd (section 4.3, the validated phase).
 *
 * pipeACK is what was acknowledged in a round that is over, and in slow start cwnd has
 * doubled since. So it is held against the cwnd with which that round began. Held
 * against cwnd as it is now, half of it would be the most that there can be, and a
 * segment less, as when an ACK is lost, would stop slow start.
 *
 * "Of late" is the longer of three round trips and a second (the sampling period).
 * The most of a running period and of the one before are kept, so that what is
 * forgotten is one to two periods old. Without a measurement, at the beginning and
 * after a loss, cwnd counts as validated.
 *
 * Only this rule of growth is taken from the RFC. What happens to cwnd at a loss and
 * after a long rest is left to Reno and to TCP's core.
 */
#include <linux/minmax.h>
#include <linux/time64.h>

#include "kernel_compat.h"
#include "pipe_ack.h"

/* RFC 7661 section 4.2: max(3*RTT, 1 second). */
#define PERIOD_MIN_US	USEC_PER_SEC
#define PERIOD_ROUNDS	3

/**
 * pipe_ack_init - nothing is measured yet, or no more
 * @pipe: gets all fields
 * @now_us: the caller's clock, in microseconds; it does not wrap
 *
 * Context: any.
 */
void pipe_ack_init(struct pipe_ack *pipe, u64 now_us)
{
	*pipe = (struct pipe_ack) { .period_began_us = now_us };
}
EXPORT_SYMBOL_IF_KUNIT(pipe_ack_init);

/**
 * pipe_ack_round - a round trip has ended
 * @pipe: the connection's state
 * @acked_segments: what was acknowledged in it
 * @now_us: the caller's clock, in microseconds; it does not wrap
 * @srtt_us: the smoothed round trip, in microseconds
 *
 * Context: any. Source: RFC 7661 section 4.2.
 */
void pipe_ack_round(struct pipe_ack *pipe, u32 acked_segments, u64 now_us,
		    u32 srtt_us)
{
	u64 period_us = max_t(u64, PERIOD_MIN_US, (u64)PERIOD_ROUNDS * srtt_us);
	u64 elapsed_us = now_us - pipe->period_began_us;

	if (elapsed_us >= period_us) {
		pipe->most_before = elapsed_us < 2 * period_us ? pipe->most : 0;
		pipe->most = 0;
		pipe->period_began_us = now_us;
	}
	pipe->most = max(pipe->most, acked_segments);
}
EXPORT_SYMBOL_IF_KUNIT(pipe_ack_round);

/**
 * pipe_ack_validates - may cwnd grow?
 * @pipe: the connection's state
 * @cwnd: when the round began that was told last, in segments
 *
 * Context: any. Source: RFC 7661 section 4.3.
 * Return: yes or no.
 */
bool pipe_ack_validates(const struct pipe_ack *pipe, u32 cwnd)
{
	u64 most = max(pipe->most, pipe->most_before);

	return !most || 2 * most >= cwnd;
}
EXPORT_SYMBOL_IF_KUNIT(pipe_ack_validates);
