// SPDX-License-Identifier: GPL-2.0
/*
 * HyStart++ (RFC 9406): round trips in, phase and growth out.
 *
 * Slow start doubles cwnd each round until something is lost, and by then it has
 * sent up to twice what the path holds. But before a queue overflows it fills, and
 * each round trip takes longer. So the shortest round trip of a round is compared
 * with that of the round before:
 *
 *			grown by the threshold
 *	slow start ------------------------------> conservative slow start
 *	 cwnd x 2    <------------------------------  cwnd x 1.25 a round
 *	 a round	shorter again: it was jitter	 |
 *	    |						 | five rounds over
 *	    | loss, ECN					 | or loss, ECN
 *	    +------------------> done <------------------+
 *
 * The threshold is an eighth of the last round's shortest trip, but no less than
 * 4 ms and no more than 16 ms. A round counts once it has eight samples. Round
 * trips are kept in microseconds, cwnd in segments as everywhere in Linux.
 *
 * The shortest trip of a round is that of the segments with which the round before
 * began. So it tells of a queue one round late, when cwnd has doubled once more: if
 * the queue holds as much as the path, too late. Hence one thing that the RFC does not
 * have, and that does nothing unless the caller uses it: conservative slow start can
 * be entered on a suspicion (hystart_pp_suspect()). Grown round trips must confirm
 * it until the five rounds are over, or slow start goes on.
 *
 * The caller says when a round ends and sets ssthresh when this file says that slow
 * start is over. Rounds and their round trips are kept whatever cwnd may do: while
 * the sender has little to send, and when slow start is long over.
 */
#include <linux/minmax.h>

#include "hystart_pp.h"
#include "kernel_compat.h"

/* A round begins: section 4.2, the first step. */
static void begin_round(struct hystart_pp *hystart)
{
	hystart->last_min_rtt_us = hystart->round_min_rtt_us;
	hystart->round_min_rtt_us = HYSTART_NO_RTT_US;
	hystart->samples = 0;
}

/**
 * hystart_pp_init - a connection begins
 * @hystart: its state, gets all fields
 *
 * Context: any.
 */
void hystart_pp_init(struct hystart_pp *hystart)
{
	*hystart = (struct hystart_pp) {
		.round_min_rtt_us = HYSTART_NO_RTT_US,
		.last_min_rtt_us = HYSTART_NO_RTT_US,
		.css_baseline_us = HYSTART_NO_RTT_US,
		.phase = HYSTART_SLOW_START,
	};
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_init);

/**
 * hystart_pp_threshold_us - by how much a round trip must grow
 * @last_min_rtt_us: the shortest round trip of the last round, in microseconds
 *
 * Context: any. Source: RFC 9406 section 4.2, RttThresh.
 * Return: microseconds.
 */
u32 hystart_pp_threshold_us(u32 last_min_rtt_us)
{
	return clamp_t(u32, last_min_rtt_us / HYSTART_MIN_RTT_DIVISOR,
		       HYSTART_MIN_RTT_THRESH_US, HYSTART_MAX_RTT_THRESH_US);
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_threshold_us);

/* Two round trips; one that was not measured has not grown. */
static bool has_grown(u32 then_us, u32 now_us)
{
	return then_us != HYSTART_NO_RTT_US && now_us != HYSTART_NO_RTT_US &&
	       now_us >= (u64)then_us + hystart_pp_threshold_us(then_us);
}

static void enter_css(struct hystart_pp *hystart, u32 baseline_us)
{
	hystart->css_baseline_us = baseline_us;
	hystart->css_rounds = 0;
	hystart->credit = 0;
	hystart->phase = HYSTART_CSS;
}

static void return_to_slow_start(struct hystart_pp *hystart)
{
	hystart->css_baseline_us = HYSTART_NO_RTT_US;
	if (hystart->suspicion == HYSTART_SUSPECTED)
		hystart->suspicion = HYSTART_MISTAKEN;
	hystart->phase = HYSTART_SLOW_START;
}

/**
 * hystart_pp_sample - a round trip was measured
 * @hystart: the connection's state
 * @rtt_us: how long it took, in microseconds
 *
 * Context: any. Source: RFC 9406 section 4.2.
 * Return: whether the phase changed: conservative slow start entered, or found to
 *	   be a mistake and left for slow start.
 */
bool hystart_pp_sample(struct hystart_pp *hystart, u32 rtt_us)
{
	hystart->round_min_rtt_us = min(hystart->round_min_rtt_us, rtt_us);
	if (hystart->samples < HYSTART_N_RTT_SAMPLE)
		hystart->samples++;
	if (hystart->phase == HYSTART_DONE ||
	    hystart->samples < HYSTART_N_RTT_SAMPLE)
		return false;
	if (hystart->phase == HYSTART_SLOW_START) {
		if (!has_grown(hystart->last_min_rtt_us,
			       hystart->round_min_rtt_us))
			return false;
		enter_css(hystart, hystart->round_min_rtt_us);
		return true;
	}
	if (hystart->suspicion == HYSTART_SUSPECTED ||
	    hystart->round_min_rtt_us >= hystart->css_baseline_us)
		return false;
	return_to_slow_start(hystart);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_sample);

/**
 * hystart_pp_rtt_us - how long a round trip takes without a queue, as far as is known
 * @hystart: the connection's state
 *
 * Context: any.
 * Return: microseconds; HYSTART_NO_RTT_US if nothing was measured.
 */
u32 hystart_pp_rtt_us(const struct hystart_pp *hystart)
{
	return min(hystart->last_min_rtt_us, hystart->round_min_rtt_us);
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_rtt_us);

/**
 * hystart_pp_suspect - something else than round trips says that the path is full
 * @hystart: the connection's state
 *
 * Round trips are not any longer by then, so that they become shorter means
 * nothing. Not in RFC 9406.
 *
 * Context: any.
 * Return: whether the phase changed: conservative slow start entered.
 */
bool hystart_pp_suspect(struct hystart_pp *hystart)
{
	if (hystart->phase != HYSTART_SLOW_START ||
	    hystart->suspicion == HYSTART_MISTAKEN ||
	    hystart->samples < HYSTART_N_RTT_SAMPLE)
		return false;
	enter_css(hystart, hystart_pp_rtt_us(hystart));
	hystart->suspicion = HYSTART_SUSPECTED;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_suspect);

/* Of the round that is just over, against the time of the suspicion. */
static bool is_mistaken(const struct hystart_pp *hystart)
{
	return hystart->suspicion == HYSTART_SUSPECTED &&
	       !has_grown(hystart->css_baseline_us, hystart->last_min_rtt_us);
}

/**
 * hystart_pp_round - a round has ended, the next begins
 * @hystart: the connection's state
 *
 * The round in which conservative slow start was entered counts as one of its
 * five.
 *
 * Context: any. Source: RFC 9406 section 4.2.
 * Return: whether the phase changed: slow start is over, and the caller sets ssthresh
 *	   to cwnd; or it goes on, as a suspicion was wrong.
 */
bool hystart_pp_round(struct hystart_pp *hystart)
{
	begin_round(hystart);
	if (hystart->phase != HYSTART_CSS ||
	    ++hystart->css_rounds < HYSTART_CSS_ROUNDS)
		return false;
	if (is_mistaken(hystart))
		return_to_slow_start(hystart);
	else
		hystart->phase = HYSTART_DONE;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_round);

/**
 * hystart_pp_stop - a loss or an ECN mark has ended slow start
 * @hystart: the connection's state
 *
 * Later slow starts end at the ssthresh that was found, so HyStart++ is for the
 * first one alone (section 4.3).
 *
 * Context: any. Source: RFC 9406 sections 4.2 and 4.3.
 */
void hystart_pp_stop(struct hystart_pp *hystart)
{
	hystart->phase = HYSTART_DONE;
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_stop);

/**
 * hystart_pp_resume - the loss that ended slow start was none
 * @hystart: the connection's state
 *
 * With ssthresh as high again as at the beginning it is the first slow start that
 * goes on, and it is watched again. What the rounds have measured still holds.
 *
 * Context: any.
 */
void hystart_pp_resume(struct hystart_pp *hystart)
{
	return_to_slow_start(hystart);
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_resume);

/**
 * hystart_pp_growth - by how much cwnd grows in slow start
 * @hystart: the connection's state
 * @acked_segments: segments newly acknowledged
 * @paced: the segments leave paced, so a burst cannot come of it
 *
 * What a division leaves over is kept for the next ACK.
 *
 * Context: any. Source: RFC 9406 section 4.2.
 * Return: segments to add to cwnd.
 */
u32 hystart_pp_growth(struct hystart_pp *hystart, u32 acked_segments,
		      bool paced)
{
	u32 counted = acked_segments;
	u32 left_over;

	if (!paced)
		counted = min_t(u32, counted, HYSTART_L_SEGMENTS);
	if (hystart->phase != HYSTART_CSS)
		return counted;
	left_over = counted % HYSTART_CSS_GROWTH_DIVISOR + hystart->credit;
	hystart->credit = left_over % HYSTART_CSS_GROWTH_DIVISOR;
	return counted / HYSTART_CSS_GROWTH_DIVISOR +
	       left_over / HYSTART_CSS_GROWTH_DIVISOR;
}
EXPORT_SYMBOL_IF_KUNIT(hystart_pp_growth);
