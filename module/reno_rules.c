// SPDX-License-Identifier: GPL-2.0
/*
 * How our algorithms differ.
 *
 * All are one Reno (reno_congestion.c) under rules that are settled when a
 * connection begins:
 *
 *			cwnd	ssthresh  after a loss	more
 *	renoscope	Linux's	none	  1/2		what the parameters add
 *	reno_textbook	1	16	  1/2		nothing
 *	reno_modern	Linux's	none	  1/2		HyStart++, ACK trains, ABE
 *
 * The parameters are renoscope's alone, and add nothing unless told to. Each has a
 * range in which no number can divide by zero or overflow. They can be written at
 * any time; connections that have begun keep what they began with.
 */
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "kernel_compat.h"
#include "parameter_refusal.h"
#include "reno_rules.h"

#define BETA_ECN_PERCENT	80	/* RFC 8511 */

/* Below, a loss is answered as a timeout is; above, hardly at all. */
#define BETA_PERCENT_MIN	20
#define BETA_PERCENT_MAX	90

/* RFC 3465 section 2.3 allows 1 and 2, and 8 is HyStart++'s; more is an experiment. */
#define ABC_LIMIT_MAX	64

/* RFC 5681 section 3.1, equation 4: ssthresh is never less. */
#define SSTHRESH_MIN	2U

/* ---- the parameters --------------------------------------------------- */

static unsigned int beta = RENO_BETA_PERCENT;
static unsigned int beta_ecn = BETA_ECN_PERCENT;
static unsigned int abc_limit;
static bool abe;
static bool hystart;
static bool ack_train;
static bool validate;

static int set_in_range(const char *text, const struct kernel_param *param,
			unsigned int least, unsigned int most)
{
	if (!param_set_uint_minmax(text, param, least, most))
		return 0;
	return refuse_number(param->name, text, least, most);
}

/* A name alone, without a text, is on: that cannot fail. */
static int set_switch(const char *text, const struct kernel_param *param)
{
	if (!param_set_bool(text, param))
		return 0;
	return refuse_word(param->name, text, strcspn(text, "\n"),
			   " is neither 0 nor 1");
}

static int set_beta(const char *text, const struct kernel_param *param)
{
	return set_in_range(text, param, BETA_PERCENT_MIN, BETA_PERCENT_MAX);
}

static int set_abc_limit(const char *text, const struct kernel_param *param)
{
	return set_in_range(text, param, 0, ABC_LIMIT_MAX);
}

static const struct kernel_param_ops beta_ops = {
	.set = set_beta,
	.get = param_get_uint,
};

static const struct kernel_param_ops abc_limit_ops = {
	.set = set_abc_limit,
	.get = param_get_uint,
};

static const struct kernel_param_ops switch_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_switch,
	.get = param_get_bool,
};

module_param_cb(reno_beta, &beta_ops, &beta, 0644);
MODULE_PARM_DESC(reno_beta,
		 "renoscope: percent of cwnd left after a loss, 20 to 90; growth is made to match (default 50)");
module_param_cb(reno_beta_ecn, &beta_ops, &beta_ecn, 0644);
MODULE_PARM_DESC(reno_beta_ecn,
		 "renoscope: percent of cwnd left after an ECN mark, with reno_abe=1, 20 to 90 (default 80, RFC 8511)");
module_param_cb(reno_abc_limit, &abc_limit_ops, &abc_limit, 0644);
MODULE_PARM_DESC(reno_abc_limit,
		 "renoscope: segments that one ACK may count for in slow start, RFC 3465's L; 0 for any number (default)");
module_param_cb(reno_abe, &switch_ops, &abe, 0644);
MODULE_PARM_DESC(reno_abe,
		 "renoscope: an ECN mark in congestion avoidance costs less than a loss, RFC 8511 (default N)");
module_param_cb(reno_hystart, &switch_ops, &hystart, 0644);
MODULE_PARM_DESC(reno_hystart,
		 "renoscope: leave slow start when the delay grows, HyStart++, RFC 9406 (default N)");
module_param_cb(reno_ack_train, &switch_ops, &ack_train, 0644);
MODULE_PARM_DESC(reno_ack_train,
		 "renoscope: with reno_hystart=1, slow down already when ACKs arrive for half a round trip (default N)");
module_param_cb(reno_validate, &switch_ops, &validate, 0644);
MODULE_PARM_DESC(reno_validate,
		 "renoscope: cwnd grows only while half of it was used of late, RFC 7661 (default N)");

/* ---- the rules -------------------------------------------------------- */

/* renoscope has none: the parameters are its rules. */
static const struct reno_rules fixed_rules[RENO_PROFILES] = {
	[RENO_TEXTBOOK] = {
		.initial_cwnd = 1,
		.initial_ssthresh = 16,
		.beta_percent = RENO_BETA_PERCENT,
	},
	[RENO_MODERN] = {
		.beta_percent = RENO_BETA_PERCENT,
		.beta_ecn_percent = BETA_ECN_PERCENT,
		.abe = true,
		.hystart = true,
		.ack_train = true,
	},
};

/**
 * reno_rules_get - the rules for a connection that begins
 * @rules: gets them
 * @profile: which algorithm it chose
 *
 * Context: any.
 */
void reno_rules_get(struct reno_rules *rules, enum reno_profile profile)
{
	*rules = fixed_rules[profile];
	if (profile != RENO_PLAIN)
		return;
	rules->beta_percent = READ_ONCE(beta);
	rules->beta_ecn_percent = READ_ONCE(beta_ecn);
	rules->abc_limit = READ_ONCE(abc_limit);
	rules->abe = READ_ONCE(abe);
	rules->hystart = READ_ONCE(hystart);
	rules->ack_train = READ_ONCE(ack_train);
	rules->validate = READ_ONCE(validate);
}
EXPORT_SYMBOL_IF_KUNIT(reno_rules_get);

/**
 * reno_rules_are_linux - does cwnd grow under them as in Linux Reno?
 * @rules: the rules
 *
 * Context: any.
 * Return: yes or no.
 */
bool reno_rules_are_linux(const struct reno_rules *rules)
{
	return rules->beta_percent == RENO_BETA_PERCENT && !rules->abc_limit &&
	       !rules->hystart && !rules->validate;
}
EXPORT_SYMBOL_IF_KUNIT(reno_rules_are_linux);

/* Whoever wrote it: from here on nothing divides by zero or turns negative. */
static u32 percent_in_range(u8 beta_percent)
{
	return clamp_t(u32, beta_percent, BETA_PERCENT_MIN, BETA_PERCENT_MAX);
}

/**
 * reno_reduced_segments - what is left of cwnd
 * @cwnd: in segments
 * @beta_percent: how much of it; what is out of range counts as its nearest end
 *
 * Context: any. Source: RFC 5681 section 3.1, equation 4; RFC 8511 section 3; of cwnd
 * and not of what is in flight, as in Linux's tcp_reno_ssthresh().
 * Return: the new ssthresh, in segments, at least 2.
 */
u32 reno_reduced_segments(u32 cwnd, u8 beta_percent)
{
	u64 scaled = (u64)cwnd * percent_in_range(beta_percent);

	return max_t(u32, div_u64(scaled, 100), SSTHRESH_MIN);
}
EXPORT_SYMBOL_IF_KUNIT(reno_reduced_segments);

/**
 * reno_segments_to_grow - for how many acknowledged segments cwnd grows by one
 * @cwnd: in segments
 * @beta_percent: how much of cwnd is left after a loss; range as above
 *
 * A sender that gives back less than half must also take less, or it starves one
 * that halves: it grows by alpha = 3 (1 - beta) / (1 + beta) segments a round
 * trip, which gives both the same share. For the other beta, that of a mark, growth
 * stays as it is: RFC 8511 changes nothing else.
 *
 * Not as in the RFC: there alpha should become 1 once the window is back at what it was
 * before the reduction (cwnd_prior); here it stays.
 *
 * Context: any. Source: RFC 9438 section 4.3, alpha of the Reno-friendly region.
 * Return: segments, at least 1.
 */
u32 reno_segments_to_grow(u32 cwnd, u8 beta_percent)
{
	u32 percent = percent_in_range(beta_percent);
	u64 segments = div_u64((u64)cwnd * (100 + percent),
			       3 * (100 - percent));

	return clamp_t(u64, segments, 1, U32_MAX);
}
EXPORT_SYMBOL_IF_KUNIT(reno_segments_to_grow);
