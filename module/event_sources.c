// SPDX-License-Identifier: GPL-2.0
/*
 * Which kinds of events are recorded, and the places they come from.
 *
 * The `events` parameter names kinds. They come from places of four families:
 * the kernel's tracepoints (tracepoint_probes.c), functions that no tracepoint
 * shows (gap_probes.c), netfilter's hooks, which see every segment
 * (segment_hooks.c), and our own congestion control (congestion_probes.c). Each
 * family is told the kinds that are wanted and attaches what they need, no more: a
 * kind that is off costs nothing.
 *
 * A place that this kernel does not have is reported in `stats`; all others
 * work.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "congestion_probes.h"
#include "event_recorder.h"
#include "event_sources.h"
#include "gap_probes.h"
#include "parameter_refusal.h"
#include "segment_hooks.h"
#include "tracepoint_probes.h"

/* A record for each segment is a trace, and a price, that one asks for. */
#define DEFAULT_KINDS	(EVENT_KINDS_PROBED & ~EVENT_KIND_BIT(segment))

/* Guards the two below, and every family's attaching and detaching. */
static DEFINE_MUTEX(sources_lock);
static bool sources_live;		/* between init and exit */
static u64 wanted_kinds = DEFAULT_KINDS;

/*
 * Bring every place into the state that wanted_kinds asks for. Kinds are let into
 * the recorder after their places are attached and shut out before: a kind is
 * recorded whole or not at all.
 */
static void apply_wanted(void)
{
	u64 kinds = sources_live ? wanted_kinds : 0;

	lockdep_assert_held(&sources_lock);
	event_recorder_keep_kinds(kinds & event_recorder_kinds());
	tracepoint_probes_apply(kinds);
	gap_probes_apply(kinds);
	segment_hooks_apply(kinds);
	congestion_probes_apply(kinds);
	event_recorder_keep_kinds(kinds);
}

/* ---- the parameter ---------------------------------------------------- */

/**
 * struct kinds_word - one word of the parameter
 * @text: the kind's name, no NUL at its end
 * @length: of @text, in bytes
 * @sign: '+' or '-' where the word adds to or takes from what is on, else 0
 */
struct kinds_word {
	const char *text;
	size_t length;
	char sign;
};

static bool word_is(const struct kinds_word *word, const char *name)
{
	return strlen(name) == word->length &&
	       !strncmp(word->text, name, word->length);
}

/**
 * struct kinds_set - a word that stands for a set of kinds
 * @name: the word
 * @kinds: the bit of each is its number
 */
struct kinds_set {
	const char *name;
	u64 kinds;
};

static const struct kinds_set sets[] = {
	{ "all", EVENT_KINDS_PROBED },
	{ "default", DEFAULT_KINDS },
	{ "none", 0 },
};

/* NULL if the word stands for one kind, or for nothing. */
static const struct kinds_set *set_of_word(const struct kinds_word *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sets); i++)
		if (word_is(word, sets[i].name))
			return &sets[i];
	return NULL;
}

static int kinds_of_word(const struct kinds_word *word, u64 *kinds)
{
	const struct kinds_set *set = set_of_word(word);
	int kind = event_kind_by_name(word->text, word->length);

	if (set) {
		*kinds = set->kinds;
	} else if (kind > 0 && EVENT_KINDS_PROBED & BIT_ULL(kind)) {
		*kinds = BIT_ULL(kind);
	} else {
		return refuse_word("events", word->text, word->length,
				   " is no kind of event; cat schema in debugfs lists them");
	}
	return 0;
}

static const char *next_word(const char *text, struct kinds_word *word)
{
	static const char separators[] = ", \t\n";

	text += strspn(text, separators);
	word->sign = *text == '+' || *text == '-' ? *text++ : 0;
	word->text = text;
	word->length = strcspn(text, separators);
	return text + word->length;
}

/*
 * "ack,state" names all that is wanted, "default,segment" too; "+segment,-ack"
 * changes @kinds, which is what is on now. The first word decides which it is.
 */
static int parse_kinds(const char *text, u64 *kinds)
{
	struct kinds_word word;
	bool any = false;
	u64 named;
	int err;

	for (;;) {
		text = next_word(text, &word);
		if (!word.length && !word.sign)
			break;
		err = kinds_of_word(&word, &named);
		if (err)
			return err;
		if (set_of_word(&word) && (any || word.sign))
			return refuse_word("events", word.text, word.length,
					   " must be the first word, without a sign");
		if (!any && !word.sign)
			*kinds = 0;
		any = true;
		*kinds = word.sign == '-' ? *kinds & ~named : *kinds | named;
	}
	if (any)
		return 0;
	pr_err("events: no kind is named; to record nothing write none\n");
	return -EINVAL;
}

static int set_events(const char *text, const struct kernel_param *param)
{
	u64 kinds;
	int err;

	mutex_lock(&sources_lock);
	kinds = wanted_kinds;
	err = parse_kinds(text, &kinds);
	if (!err) {
		wanted_kinds = kinds;
		apply_wanted();
	}
	mutex_unlock(&sources_lock);
	return err;
}

static int get_events(char *text, const struct kernel_param *param)
{
	size_t length;

	mutex_lock(&sources_lock);
	length = event_kinds_print(wanted_kinds, text, PAGE_SIZE - 1);
	mutex_unlock(&sources_lock);
	return length + scnprintf(text + length, PAGE_SIZE - length, "\n");
}

static const struct kernel_param_ops events_ops = {
	.set = set_events,
	.get = get_events,
};
module_param_cb(events, &events_ops, NULL, 0644);
MODULE_PARM_DESC(events,
		 "kinds of events to record, comma-separated, or all, none, default (all but segment); +KIND and -KIND change what is on");

/* ---- life ------------------------------------------------------------- */

/**
 * event_sources_init - find the places and attach what is wanted
 *
 * From here on events flow into the recorder.
 *
 * Context: module load, may sleep.
 * Return: 0, or -ENOENT if the kernel has none of TCP's tracepoints.
 */
int event_sources_init(void)
{
	int err = tracepoint_probes_find();

	if (err)
		return err;
	mutex_lock(&sources_lock);
	sources_live = true;
	apply_wanted();
	mutex_unlock(&sources_lock);
	return 0;
}

/**
 * event_sources_exit - detach everything and wait for the last probe
 *
 * Context: module unload, sleeps.
 */
void event_sources_exit(void)
{
	mutex_lock(&sources_lock);
	sources_live = false;
	apply_wanted();
	mutex_unlock(&sources_lock);
	tracepoint_synchronize_unregister();
}

/**
 * event_sources_show - one line for each place, for `stats`
 * @file: where to
 *
 * Context: process context, may sleep.
 */
void event_sources_show(struct seq_file *file)
{
	mutex_lock(&sources_lock);
	tracepoint_probes_show(file);
	gap_probes_show(file);
	segment_hooks_show(file);
	congestion_probes_show(file);
	mutex_unlock(&sources_lock);
}
