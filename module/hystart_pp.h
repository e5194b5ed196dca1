/* SPDX-License-Identifier: GPL-2.0 */
/*
 * HyStart++ (RFC 9406): leaving slow start before the queue overflows.
 */
#ifndef RENOSCOPE_HYSTART_PP_H
#define RENOSCOPE_HYSTART_PP_H

#include <linux/limits.h>
#include <linux/types.h>

#define HYSTART_NO_RTT_US	U32_MAX	/* the RFC's infinity */

/* The constants that section 4.3 recommends. */
#define HYSTART_MIN_RTT_THRESH_US	4000
#define HYSTART_MAX_RTT_THRESH_US	16000
#define HYSTART_MIN_RTT_DIVISOR		8
#define HYSTART_N_RTT_SAMPLE		8
#define HYSTART_CSS_GROWTH_DIVISOR	4
#define HYSTART_CSS_ROUNDS		5
#define HYSTART_L_SEGMENTS		8	/* without bound if paced */

/* That the path is full, from elsewhere than round trips. */
enum hystart_suspicion {
	HYSTART_UNSUSPECTED,
	HYSTART_SUSPECTED,	/* conservative slow start was entered for it */
	HYSTART_MISTAKEN,	/* that was wrong, and there is no second one */
};

enum hystart_phase {
	HYSTART_SLOW_START,
	HYSTART_CSS,		/* conservative slow start */
	HYSTART_DONE,		/* slow start is over, or was never watched */
};

/**
 * struct hystart_pp - where one connection's slow start stands
 * @round_min_rtt_us: the shortest round trip of this round, in microseconds
 * @last_min_rtt_us: the same of the round before
 * @css_baseline_us: what it was when conservative slow start was entered
 * @phase: &enum hystart_phase
 * @samples: round trips measured in this round, at most HYSTART_N_RTT_SAMPLE
 * @css_rounds: rounds that ended in conservative slow start
 * @credit: segments acknowledged that did not yet make cwnd grow
 * @suspicion: &enum hystart_suspicion
 */
struct hystart_pp {
	u32 round_min_rtt_us;
	u32 last_min_rtt_us;
	u32 css_baseline_us;
	u8 phase;
	u8 samples;
	u8 css_rounds;
	u8 credit;
	u8 suspicion;
};

void hystart_pp_init(struct hystart_pp *hystart);
bool hystart_pp_sample(struct hystart_pp *hystart, u32 rtt_us);
bool hystart_pp_suspect(struct hystart_pp *hystart);
bool hystart_pp_round(struct hystart_pp *hystart);
u32 hystart_pp_rtt_us(const struct hystart_pp *hystart);
void hystart_pp_stop(struct hystart_pp *hystart);
void hystart_pp_resume(struct hystart_pp *hystart);
u32 hystart_pp_growth(struct hystart_pp *hystart, u32 acked_segments,
		      bool paced);
u32 hystart_pp_threshold_us(u32 last_min_rtt_us);

#endif /* RENOSCOPE_HYSTART_PP_H */
