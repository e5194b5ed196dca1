/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the ACKs of a round trip follow each other without a break.
 */
#ifndef RENOSCOPE_ACK_TRAIN_H
#define RENOSCOPE_ACK_TRAIN_H

#include <linux/types.h>

/**
 * struct ack_train - the ACKs of one round trip
 * @began_us: when its first came; the low half of the caller's clock, in microseconds
 * @last_us: when the newest came that belongs to it
 * @is_broken: one came late, so those behind it do not count
 */
struct ack_train {
	u32 began_us;
	u32 last_us;
	bool is_broken;
};

void ack_train_begin(struct ack_train *train, u32 now_us);
bool ack_train_fills(struct ack_train *train, u32 now_us, u32 rtt_us,
		     bool paced);

#endif /* RENOSCOPE_ACK_TRAIN_H */
