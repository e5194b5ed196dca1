/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TIME-WAIT, from its start to its end.
 */
#ifndef RENOSCOPE_TIMEWAIT_GAPS_H
#define RENOSCOPE_TIMEWAIT_GAPS_H

#include <linux/types.h>

#include "gap_probes.h"

struct inet_timewait_sock;
struct task_struct;

/**
 * struct timewait_note - what was last done to a small sock on a CPU
 * @tw: the socket, only ever compared
 * @runner: on whose behalf the CPU processed the segment, NULL in a softirq; only
 *	    ever compared
 * @seg_flags: flags of that segment while it can end the socket, else 0
 * @reset_next: that segment is answered by a RST, and the socket taken away next
 * @ending: an enum event_time_wait_ending, none while it lives
 */
struct timewait_note {
	const struct inet_timewait_sock *tw;
	const struct task_struct *runner;
	u8 seg_flags;
	bool reset_next;
	u8 ending;
};

void timewait_segment_done(struct timewait_note *note,
			   const struct inet_timewait_sock *tw, int status);
u8 timewait_ending_by_segment(const struct timewait_note *note,
			      const struct inet_timewait_sock *tw,
			      const struct task_struct *runner);
u8 timewait_noted_ending(struct timewait_note *note,
			 const struct inet_timewait_sock *tw);

extern const struct gap_group timewait_gaps;

#endif /* RENOSCOPE_TIMEWAIT_GAPS_H */
