/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long a half-open request waits before its SYN-ACK is sent again.
 */
#ifndef RENOSCOPE_SYNACK_BACKOFF_H
#define RENOSCOPE_SYNACK_BACKOFF_H

#include <linux/types.h>

u32 synack_wait_us(u32 first_wait_us, unsigned int doublings, u32 max_wait_us);
u32 synack_wait_after_retransmit_us(u32 first_wait_us, unsigned int num_timeout,
				    bool by_timer, u32 max_wait_us);

#endif /* RENOSCOPE_SYNACK_BACKOFF_H */
