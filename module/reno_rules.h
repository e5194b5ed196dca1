/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How our algorithms differ: the rules, and their arithmetic.
 */
#ifndef RENOSCOPE_RENO_RULES_H
#define RENOSCOPE_RENO_RULES_H

#include <linux/types.h>

#define RENO_BETA_PERCENT	50	/* RFC 5681 */

/**
 * struct reno_rules - how one connection behaves, settled when it begins
 * @initial_cwnd: in segments; 0 for what the kernel chose
 * @initial_ssthresh: in segments; 0 for none
 * @beta_percent: what is left of cwnd after a loss
 * @beta_ecn_percent: what is left of it after an ECN mark, if @abe
 * @abc_limit: segments that one ACK may count for in slow start; 0 for any number
 * @abe: an ECN mark in congestion avoidance costs less than a loss
 * @hystart: leave the first slow start when the delay grows
 * @ack_train: with @hystart, slow down already when ACKs fill half a round trip
 * @validate: let cwnd grow by what of it was used, not by whether it is full
 */
struct reno_rules {
	u16 initial_cwnd;
	u16 initial_ssthresh;
	u8 beta_percent;
	u8 beta_ecn_percent;
	u8 abc_limit;
	bool abe;
	bool hystart;
	bool ack_train;
	bool validate;
};

/*
 * The names that are registered, once: RENO_PROFILE(id, name). Besides its line here
 * one has its rules, in reno_rules.c.
 */
#define RENO_PROFILE_NAMES(RENO_PROFILE)				\
	RENO_PROFILE(PLAIN, renoscope)					\
	RENO_PROFILE(TEXTBOOK, reno_textbook)				\
	RENO_PROFILE(MODERN, reno_modern)

enum reno_profile {
#define RENO_PROFILE_ENUM(id, name)	RENO_##id,
	RENO_PROFILE_NAMES(RENO_PROFILE_ENUM)
#undef RENO_PROFILE_ENUM
	RENO_PROFILES		/* how many there are */
};

void reno_rules_get(struct reno_rules *rules, enum reno_profile profile);
bool reno_rules_are_linux(const struct reno_rules *rules);
u32 reno_reduced_segments(u32 cwnd, u8 beta_percent);
u32 reno_segments_to_grow(u32 cwnd, u8 beta_percent);

#endif /* RENOSCOPE_RENO_RULES_H */
