/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the congestion control says of itself, heard at its own tracepoints.
 */
#ifndef RENOSCOPE_KUNIT_RENO_HEARING_H
#define RENOSCOPE_KUNIT_RENO_HEARING_H

#include <kunit/test.h>
#include <net/tcp.h>

#include "module_parameters.h"
#include "reno_sender.h"
#include "reno_trace.h"

enum said_what { SAID_PHASE = 1, SAID_ROUND, SAID_REDUCTION, SAID_UNDO,
		 SAID_RESTART };

/**
 * struct said - one thing that was said
 * @what: &enum said_what
 * @before: phase or cwnd that was before
 * @number: phase, segments acknowledged in a round, ssthresh or cwnd
 * @cause: &enum reno_cause
 * @rtt_us: a round's shortest round trip
 * @cwnd: the socket's at that time
 */
struct said {
	u32 what;
	u32 before;
	u32 number;
	u32 cause;
	u32 rtt_us;
	u32 cwnd;
};

#define MANY_SAID	256

static struct said heard[MANY_SAID];
static unsigned int heard_count;

static inline void hear(const struct sock *sk, struct said said)
{
	if (heard_count >= MANY_SAID)
		return;
	said.cwnd = cwnd_of(sk);
	heard[heard_count++] = said;
}

static inline void hear_phase(void *data, const struct sock *sk,
			      enum reno_phase before, enum reno_phase phase,
			      enum reno_cause cause)
{
	struct said said = { .what = SAID_PHASE, .before = before,
			     .number = phase, .cause = cause };

	hear(sk, said);
}

static inline void hear_round(void *data, const struct sock *sk,
			      u32 cwnd_before, u32 acked_segments,
			      u32 min_rtt_us)
{
	struct said said = { .what = SAID_ROUND, .before = cwnd_before,
			     .number = acked_segments, .rtt_us = min_rtt_us };

	hear(sk, said);
}

static inline void hear_reduction(void *data, const struct sock *sk,
				  u32 ssthresh, enum reno_cause cause)
{
	struct said said = { .what = SAID_REDUCTION, .number = ssthresh,
			     .cause = cause };

	hear(sk, said);
}

static inline void hear_undo(void *data, const struct sock *sk, u32 cwnd)
{
	hear(sk, (struct said){ .what = SAID_UNDO, .number = cwnd });
}

static inline void hear_restart(void *data, const struct sock *sk)
{
	hear(sk, (struct said){ .what = SAID_RESTART });
}

static inline void forget_what_was_heard(void)
{
	heard_count = 0;
}

static inline unsigned int count_heard(enum said_what what)
{
	unsigned int count = 0;
	unsigned int i;

	for (i = 0; i < heard_count; i++)
		count += heard[i].what == what;
	return count;
}

/* The n-th of its sort, from 0; all zero if there are not so many. */
static inline struct said nth_heard(enum said_what what, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < heard_count; i++)
		if (heard[i].what == what && !n--)
			return heard[i];
	return (struct said){};
}

static inline void expect_phase(struct kunit *test, unsigned int n,
				enum reno_phase before, enum reno_phase phase,
				enum reno_cause cause)
{
	struct said said = nth_heard(SAID_PHASE, n);

	KUNIT_EXPECT_EQ_MSG(test, said.before, before, "phase %u", n);
	KUNIT_EXPECT_EQ_MSG(test, said.number, phase, "phase %u", n);
	KUNIT_EXPECT_EQ_MSG(test, said.cause, cause, "phase %u", n);
}

static inline void expect_reduction(struct kunit *test, unsigned int n,
				    u32 ssthresh, enum reno_cause cause)
{
	struct said said = nth_heard(SAID_REDUCTION, n);

	KUNIT_EXPECT_EQ_MSG(test, said.number, ssthresh, "reduction %u", n);
	KUNIT_EXPECT_EQ_MSG(test, said.cause, cause, "reduction %u", n);
}

/* cwnd at the beginning of each round, as it was told. */
static inline void expect_told_rounds(struct kunit *test, const u32 *cwnds,
				      unsigned int count)
{
	unsigned int n;

	KUNIT_EXPECT_EQ(test, count_heard(SAID_ROUND), count);
	for (n = 0; n < count; n++)
		KUNIT_EXPECT_EQ_MSG(test, nth_heard(SAID_ROUND, n).cwnd,
				    cwnds[n], "round %u", n);
}

static inline int start_to_listen(struct kunit_suite *suite)
{
	return register_trace_told_reno_phase(hear_phase, NULL) ?:
	       register_trace_told_reno_round(hear_round, NULL) ?:
	       register_trace_told_reno_reduction(hear_reduction, NULL) ?:
	       register_trace_told_reno_undo(hear_undo, NULL) ?:
	       register_trace_told_reno_restart(hear_restart, NULL);
}

static inline void stop_listening(struct kunit_suite *suite)
{
	unregister_trace_told_reno_phase(hear_phase, NULL);
	unregister_trace_told_reno_round(hear_round, NULL);
	unregister_trace_told_reno_reduction(hear_reduction, NULL);
	unregister_trace_told_reno_undo(hear_undo, NULL);
	unregister_trace_told_reno_restart(hear_restart, NULL);
	tracepoint_synchronize_unregister();
}

static inline int begin_test(struct kunit *test)
{
	forget_what_was_heard();
	return 0;
}

static inline void end_test(struct kunit *test)
{
	restore_reno_parameters();
}

#endif /* RENOSCOPE_KUNIT_RENO_HEARING_H */
