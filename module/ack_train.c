// SPDX-License-Identifier: GPL-2.0
/*
 * The train of ACKs: does a window already fill the path?
 *
 * In slow start a window leaves in one go, and its ACKs come back as fast as the
 * bottleneck let the segments through:
 *
 *	cwnd / rate			      one round trip
 *	||||||||.............................|||||||||||||||| ...
 *
 * So the length of such a train tells how much of the path the window fills, before
 * any queue has grown that would lengthen a round trip. At half of a round trip the
 * window is half of what the path holds, and what is sent while these ACKs arrive
 * makes it whole. If segments leave paced they fill half of the round trip by
 * themselves, and the train must last all of it.
 *
 * A train also becomes long if something else spaces the ACKs out, such as a radio.
 * So nothing should follow from it that cannot be taken back (hystart_pp.c).
 *
 * Source: S. Ha and I. Rhee, "Taming the elephants: New TCP slow start", Computer
 * Networks 55 (2011), section 4.1; the numbers are those of Linux, net/ipv4/
 * tcp_cubic.c (hystart_ack_delta_us, hystart_update()), but for the eighth of a round
 * trip: at 10 Mbit/s ACKs of two segments are 2.4 ms apart.
 */
#include <linux/minmax.h>

#include "ack_train.h"
#include "kernel_compat.h"

/* ACKs further apart than this, and than an eighth of a round trip, are no train. */
#define GAP_US		2000
#define GAP_DIVISOR	8

/**
 * ack_train_begin - a round begins, with the ACK that has just come
 * @train: gets all fields
 * @now_us: the low half of a clock, in microseconds
 *
 * Context: any.
 */
void ack_train_begin(struct ack_train *train, u32 now_us)
{
	*train = (struct ack_train) { .began_us = now_us, .last_us = now_us };
}
EXPORT_SYMBOL_IF_KUNIT(ack_train_begin);

/**
 * ack_train_fills - an ACK came: does the window fill the path?
 * @train: that of this round
 * @now_us: the low half of a clock, in microseconds
 * @rtt_us: the shortest round trip, in microseconds
 * @paced: segments leave paced, not in one go
 *
 * Where a break would be as long as half of a round trip, below 4 ms, no train can be
 * told.
 *
 * Context: any.
 * Return: yes, or no as far as can be told.
 */
bool ack_train_fills(struct ack_train *train, u32 now_us, u32 rtt_us,
		     bool paced)
{
	u32 gap_us = max_t(u32, GAP_US, rtt_us / GAP_DIVISOR);

	if (now_us - train->last_us > gap_us)
		train->is_broken = true;
	if (train->is_broken || rtt_us / 2 <= gap_us)
		return false;
	train->last_us = now_us;
	return now_us - train->began_us >= (paced ? rtt_us : rtt_us / 2);
}
EXPORT_SYMBOL_IF_KUNIT(ack_train_fills);
