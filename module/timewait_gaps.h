/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TIME-WAIT, from its start to its end.
 */
#ifndef RENOSCOPE_TIMEWAIT_GAPS_H
#define RENOSCOPE_TIMEWAIT_GAPS_H

#include <linux/types.h>

#include "gap_probes.h"

struct inet_timewait_sock;

/**
 * struct timewait_note - what was last done to a small socket on a CPU
 * @tw: the socket, only ever compared
 * @seg_flags: flags of the segment that it saw, 0 if none
 * @ending: an enum event_time_wait_ending, none while it lives
 */
struct timewait_note {
	const struct inet_timewait_sock *tw;
	u8 seg_flags;
	u8 ending;
};

u8 timewait_ending_by_segment(const struct timewait_note *note,
			      const struct inet_timewait_sock *tw);
u8 timewait_noted_ending(struct timewait_note *note,
			 const struct inet_timewait_sock *tw);

extern const struct gap_group timewait_gaps;

#endif /* RENOSCOPE_TIMEWAIT_GAPS_H */
