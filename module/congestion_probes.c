// SPDX-License-Identifier: GPL-2.0
/*
 * Records of what our own congestion control says.
 *
 * It says so at tracepoints (reno_trace.h) that are in this module, so they are
 * attached to by name, and the compiler checks the probes. Sockets of other
 * algorithms never come here: of them the kernel's tracepoints tell.
 *
 *  reno_phase		with the ACK that leads into the phase; if it crosses ssthresh,
 *			after all its segments were counted
 *  reno_round		when the first segment of the next round is acknowledged,
 *			before cwnd grows for it
 *  reno_reduction	before ssthresh is set, and cwnd after it
 *  reno_undo		before cwnd, and ssthresh after it, are set back
 *  reno_restart	before cwnd is halved for each RTO that the rest lasted, down
 *			to the initial window
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>

#include "congestion_probes.h"
#include "event_recorder.h"
#include "reno_trace.h"
#include "source_status.h"

static_assert((int)EVENT_reno_phase_none == RENO_PHASE_NONE);
static_assert((int)EVENT_reno_phase_slow_start == RENO_SLOW_START);
static_assert((int)EVENT_reno_phase_css == RENO_CSS);
static_assert((int)EVENT_reno_phase_avoidance == RENO_AVOIDANCE);
static_assert((int)EVENT_reno_cause_none == RENO_CAUSE_NONE);
static_assert((int)EVENT_reno_cause_begin == RENO_CAUSE_BEGIN);
static_assert((int)EVENT_reno_cause_ssthresh == RENO_CAUSE_SSTHRESH);
static_assert((int)EVENT_reno_cause_delay == RENO_CAUSE_DELAY);
static_assert((int)EVENT_reno_cause_ack_train == RENO_CAUSE_ACK_TRAIN);
static_assert((int)EVENT_reno_cause_jitter == RENO_CAUSE_JITTER);
static_assert((int)EVENT_reno_cause_css_rounds == RENO_CAUSE_CSS_ROUNDS);
static_assert((int)EVENT_reno_cause_loss == RENO_CAUSE_LOSS);
static_assert((int)EVENT_reno_cause_rto == RENO_CAUSE_RTO);
static_assert((int)EVENT_reno_cause_ecn == RENO_CAUSE_ECN);
static_assert((int)EVENT_reno_cause_other == RENO_CAUSE_OTHER);
static_assert((int)EVENT_reno_cause_restart == RENO_CAUSE_RESTART);
static_assert((int)EVENT_reno_cause_undo == RENO_CAUSE_UNDO);

/* ---- the probes ------------------------------------------------------- */

static void probe_reno_phase(void *data, const struct sock *sk,
			     enum reno_phase before, enum reno_phase phase,
			     enum reno_cause cause)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_reno_phase, sk);

	if (!event)
		return;
	event->old_phase = before;
	event->phase = phase;
	event->reno_cause = cause;
	event_end(event);
}

static void probe_reno_round(void *data, const struct sock *sk, u32 cwnd_before,
			     u32 acked_segments, u32 min_rtt_us)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_reno_round, sk);

	if (!event)
		return;
	event->old_cwnd = cwnd_before;
	event->round_acked = acked_segments;
	event->round_rtt_us = min_rtt_us;
	event_end(event);
}

static void probe_reno_reduction(void *data, const struct sock *sk,
				 u32 ssthresh, enum reno_cause cause)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_reno_reduction, sk);

	if (!event)
		return;
	event->new_ssthresh = ssthresh;
	event->reno_cause = cause;
	event_end(event);
}

static void probe_reno_undo(void *data, const struct sock *sk, u32 cwnd)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_reno_undo, sk);

	if (!event)
		return;
	event->new_cwnd = cwnd;
	event_end(event);
}

static void probe_reno_restart(void *data, const struct sock *sk)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_reno_restart, sk);

	if (event)
		event_end(event);
}

/* ---- the sources ------------------------------------------------------ */

#define CONGESTION_KINDS(KIND)	\
	KIND(reno_phase)	\
	KIND(reno_round)	\
	KIND(reno_reduction)	\
	KIND(reno_undo)		\
	KIND(reno_restart)

/**
 * struct congestion_source - a tracepoint of our own, and its probe
 * @name: the kind's name, and the tracepoint's
 * @kind: the kind's bit
 * @attach: puts the probe on it
 * @detach: takes it off
 * @attached: it is on
 * @error: why attaching failed last, 0 if it did not
 */
struct congestion_source {
	const char *name;
	u64 kind;
	int (*attach)(void);
	int (*detach)(void);
	bool attached;
	int error;
};

#define FUNCTIONS(kind)							\
	static int attach_##kind(void)					\
	{								\
		return register_trace_told_##kind(probe_##kind, NULL);	\
	}								\
	static int detach_##kind(void)					\
	{								\
		return unregister_trace_told_##kind(probe_##kind, NULL);	\
	}
CONGESTION_KINDS(FUNCTIONS)
#undef FUNCTIONS

#define SOURCE(kind_) {					\
	.name = #kind_,					\
	.kind = EVENT_KIND_BIT(kind_),		\
	.attach = attach_##kind_,			\
	.detach = detach_##kind_,			\
},
static struct congestion_source sources[] = { CONGESTION_KINDS(SOURCE) };
#undef SOURCE

static void attach_source(struct congestion_source *source)
{
	source->error = source->attach();
	source->attached = !source->error;
	if (source->error)
		pr_warn("%s: cannot attach (error %d); there will be none of it\n",
			source->name, source->error);
}

/**
 * congestion_probes_apply - attach what is wanted, detach what is not
 * @kinds: the kinds wanted, the bit of each is its number
 *
 * A detached probe may still be running: tracepoint_synchronize_unregister()
 * waits for it.
 *
 * Context: may sleep; one caller at a time.
 */
void congestion_probes_apply(u64 kinds)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		struct congestion_source *source = &sources[i];

		if (source->attached && !(kinds & source->kind)) {
			source->detach();
			source->attached = false;
		} else if (!source->attached && kinds & source->kind) {
			attach_source(source);
		}
	}
}

/**
 * congestion_probes_show - one line for each source, for `stats`
 * @file: where to
 *
 * Context: may sleep; not beside congestion_probes_apply().
 */
void congestion_probes_show(struct seq_file *file)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct congestion_source *source = &sources[i];

		seq_printf(file, "source %s congestion:%s ", source->name,
			   source->name);
		source_status_show(file, source->attached, source->error);
		seq_putc(file, '\n');
	}
}
