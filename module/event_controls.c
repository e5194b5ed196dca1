// SPDX-License-Identifier: GPL-2.0
/*
 * The parameters that say which events are let into the ring, and until when:
 * filter, flow_sample, ack_sample, freeze_on, freeze_after and frozen.
 *
 * Each can be given at load and written at any time. A text that is refused names
 * the word in the kernel log, and changes nothing. A change of what is recorded is
 * marked in the ring.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "event_controls.h"
#include "event_gate.h"
#include "event_recorder.h"
#include "parameter_refusal.h"

/* More than anyone needs; and what is counted down to a freeze fits an atomic_t. */
#define SAMPLE_MAX		1000000000
#define FREEZE_AFTER_MAX	1000000000

/*
 * Parameters can be read and written before the ring is there and when it is gone
 * again: before, they are kept for event_controls_init(); after, it is too late.
 */
enum controls_life {
	CONTROLS_BEFORE,
	CONTROLS_LIVE,
	CONTROLS_GONE
};

/* Guards the two below, and the gate's changes. */
static DEFINE_MUTEX(controls_lock);
static enum controls_life controls_life;
static struct gate_rules wanted_rules = {
	.flow_sample = 1,
	.ack_sample = 1,
};

/* ---- changing the rules ----------------------------------------------- */

static int refuse(const char *name, const struct word_complaint *complaint)
{
	return refuse_word(name, complaint->word, complaint->length, ": %s",
			   complaint->allowed);
}

static bool lets_all_in(const struct gate_rules *rules)
{
	return !rules->filter.count && rules->flow_sample == 1 &&
	       rules->ack_sample == 1;
}

static bool let_the_same_in(const struct gate_rules *one,
			    const struct gate_rules *other)
{
	return !memcmp(&one->filter, &other->filter, sizeof(one->filter)) &&
	       one->flow_sample == other->flow_sample &&
	       one->ack_sample == other->ack_sample;
}

/* Bring the gate from wanted_rules to other ones. What is marked must not fail. */
static int publish_rules(const struct gate_rules *rules)
{
	struct gate_rules *made = event_gate_make_rules(rules);
	bool marks = !let_the_same_in(rules, &wanted_rules);
	bool before = !lets_all_in(rules);

	if (IS_ERR(made))
		return PTR_ERR(made);
	if (marks && before)
		event_recorder_mark_filter();
	event_gate_take_rules(made);
	if (marks && !before)
		event_recorder_mark_filter();
	return 0;
}

/* What a parameter's text changes in the rules; a refused word is named. */
typedef int change_rules_t(struct gate_rules *rules, const char *text);

static int apply_change(change_rules_t *change, const char *text,
			struct gate_rules *rules)
{
	int err;

	lockdep_assert_held(&controls_lock);
	if (controls_life == CONTROLS_GONE)
		return -ENODEV;
	*rules = wanted_rules;
	err = change(rules, text);
	if (!err && controls_life == CONTROLS_LIVE &&
	    memcmp(rules, &wanted_rules, sizeof(*rules)))
		err = publish_rules(rules);
	if (!err)
		wanted_rules = *rules;
	return err;
}

static int change_rules(change_rules_t *change, const char *text)
{
	struct gate_rules *rules = kmalloc(sizeof(*rules), GFP_KERNEL);
	int err = -ENOMEM;

	if (rules) {
		mutex_lock(&controls_lock);
		err = apply_change(change, text, rules);
		mutex_unlock(&controls_lock);
		kfree(rules);
	}
	if (err == -ENOMEM)
		pr_err("no memory: filter, sampling and freeze are not changed\n");
	return err;
}

/* ---- filter ----------------------------------------------------------- */

static int change_filter(struct gate_rules *rules, const char *text)
{
	struct word_complaint complaint;

	if (event_filter_parse(&rules->filter, text, &complaint))
		return refuse("filter", &complaint);
	return 0;
}

static int set_filter(const char *text, const struct kernel_param *param)
{
	return change_rules(change_filter, text);
}

static int get_filter(char *text, const struct kernel_param *param)
{
	size_t length;

	mutex_lock(&controls_lock);
	length = event_filter_print(&wanted_rules.filter, text, PAGE_SIZE - 1);
	mutex_unlock(&controls_lock);
	return length + scnprintf(text + length, PAGE_SIZE - length, "\n");
}

static const struct kernel_param_ops filter_ops = {
	.set = set_filter,
	.get = get_filter,
};
module_param_cb(filter, &filter_ops, NULL, 0644);
MODULE_PARM_DESC(filter,
		 "connections to record: KEY=VALUE,... or KEY!=VALUE,... with port, lport, rport, addr, laddr, raddr, netns, state, cookie; none for all");

/* ---- sampling --------------------------------------------------------- */

/* In any base, as the kernel reads ring_records and reno_beta. */
static int change_number(u32 *number, const char *name, const char *text,
			 u32 least, u32 most)
{
	u32 read;

	if (kstrtou32(text, 0, &read) || read < least || read > most) {
		refuse_number(name, text, least, most);
		return -EINVAL;
	}
	*number = read;
	return 0;
}

static int change_flow_sample(struct gate_rules *rules, const char *text)
{
	return change_number(&rules->flow_sample, "flow_sample", text, 1,
			     SAMPLE_MAX);
}

static int set_flow_sample(const char *text, const struct kernel_param *param)
{
	return change_rules(change_flow_sample, text);
}

static const struct kernel_param_ops flow_sample_ops = {
	.set = set_flow_sample,
	.get = param_get_uint,
};
module_param_cb(flow_sample, &flow_sample_ops, &wanted_rules.flow_sample, 0644);
MODULE_PARM_DESC(flow_sample,
		 "record one connection in so many, whole (default 1, all)");

static int change_ack_sample(struct gate_rules *rules, const char *text)
{
	return change_number(&rules->ack_sample, "ack_sample", text, 1,
			     SAMPLE_MAX);
}

static int set_ack_sample(const char *text, const struct kernel_param *param)
{
	return change_rules(change_ack_sample, text);
}

static const struct kernel_param_ops ack_sample_ops = {
	.set = set_ack_sample,
	.get = param_get_uint,
};
module_param_cb(ack_sample, &ack_sample_ops, &wanted_rules.ack_sample, 0644);
MODULE_PARM_DESC(ack_sample,
		 "record one ack event in so many where nothing else happens: ESTABLISHED and no loss (default 1, all)");

/* ---- freeze ----------------------------------------------------------- */

static int change_freeze_on(struct gate_rules *rules, const char *text)
{
	struct word_complaint complaint;

	if (freeze_trigger_parse(&rules->trigger, text, &complaint))
		return refuse("freeze_on", &complaint);
	return 0;
}

static int set_freeze_on(const char *text, const struct kernel_param *param)
{
	return change_rules(change_freeze_on, text);
}

static int get_freeze_on(char *text, const struct kernel_param *param)
{
	size_t length;

	mutex_lock(&controls_lock);
	length = freeze_trigger_print(&wanted_rules.trigger, text,
				      PAGE_SIZE - 1);
	mutex_unlock(&controls_lock);
	return length + scnprintf(text + length, PAGE_SIZE - length, "\n");
}

static const struct kernel_param_ops freeze_on_ops = {
	.set = set_freeze_on,
	.get = get_freeze_on,
};
module_param_cb(freeze_on, &freeze_on_ops, NULL, 0644);
MODULE_PARM_DESC(freeze_on,
		 "stop recording at an event of these kinds, comma-separated; rto=K: at the K-th timeout in a row; none for never");

static int change_freeze_after(struct gate_rules *rules, const char *text)
{
	return change_number(&rules->freeze_after, "freeze_after", text, 0,
			     FREEZE_AFTER_MAX);
}

static int set_freeze_after(const char *text, const struct kernel_param *param)
{
	return change_rules(change_freeze_after, text);
}

static const struct kernel_param_ops freeze_after_ops = {
	.set = set_freeze_after,
	.get = param_get_uint,
};
module_param_cb(freeze_after, &freeze_after_ops, &wanted_rules.freeze_after,
		0644);
MODULE_PARM_DESC(freeze_after,
		 "record so many events more after what freeze_on names (default 0)");

/* Before the ring is there, event_controls_init() writes the mark. */
static void freeze_or_thaw(bool freeze)
{
	if (controls_life == CONTROLS_LIVE && freeze)
		event_recorder_freeze();
	else if (controls_life == CONTROLS_LIVE)
		event_recorder_thaw();
	else if (freeze)
		event_gate_freeze();
	else
		event_gate_watch();
}

static int set_frozen(const char *text, const struct kernel_param *param)
{
	u32 freeze;
	int err = 0;

	if (change_number(&freeze, "frozen", text, 0, 1))
		return -EINVAL;
	mutex_lock(&controls_lock);
	if (controls_life == CONTROLS_GONE)
		err = -ENODEV;
	else
		freeze_or_thaw(freeze);
	mutex_unlock(&controls_lock);
	return err;
}

static int get_frozen(char *text, const struct kernel_param *param)
{
	return scnprintf(text, PAGE_SIZE, "%d\n", event_gate_is_frozen());
}

static const struct kernel_param_ops frozen_ops = {
	.set = set_frozen,
	.get = get_frozen,
};
module_param_cb(frozen, &frozen_ops, NULL, 0644);
MODULE_PARM_DESC(frozen,
		 "1 while recording is stopped; write 0 to go on, 1 to stop now");

/* ---- life ------------------------------------------------------------- */

/**
 * event_controls_init - let what was given at load hold
 *
 * Context: module load, may sleep; the ring is there, and no probe yet.
 * Return: 0, or -ENOMEM.
 */
int event_controls_init(void)
{
	int err;

	mutex_lock(&controls_lock);
	err = event_gate_set_rules(&wanted_rules);
	if (err) {
		pr_err("cannot make a filter, sampling or freeze hold (error %d)\n",
		       err);
	} else {
		controls_life = CONTROLS_LIVE;
		if (!lets_all_in(&wanted_rules))
			event_recorder_mark_filter();
		if (event_gate_is_frozen())
			event_recorder_mark_frozen();
	}
	mutex_unlock(&controls_lock);
	return err;
}

/**
 * event_controls_exit - let nothing hold any more, and no parameter change it
 *
 * Context: module unload, sleeps; no probe is left, and the ring still there.
 */
void event_controls_exit(void)
{
	mutex_lock(&controls_lock);
	controls_life = CONTROLS_GONE;
	event_gate_set_rules(NULL);
	event_gate_watch();
	mutex_unlock(&controls_lock);
}

/**
 * event_controls_show - what holds, and what it turned away, for `stats`
 * @file: where to
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM with nothing shown.
 */
int event_controls_show(struct seq_file *file)
{
	char *text = kmalloc(PAGE_SIZE, GFP_KERNEL);

	if (!text)
		return -ENOMEM;
	event_kinds_print(EVENT_KINDS_PROBED & ~event_recorder_kinds(), text,
			  PAGE_SIZE);
	seq_printf(file, "kinds_off %s\n", text);
	mutex_lock(&controls_lock);
	event_filter_print(&wanted_rules.filter, text, PAGE_SIZE);
	seq_printf(file, "filter %s\n", text);
	freeze_trigger_print(&wanted_rules.trigger, text, PAGE_SIZE);
	seq_printf(file, "sample flow %u ack %u\n", wanted_rules.flow_sample,
		   wanted_rules.ack_sample);
	seq_printf(file, "freeze frozen %d after %u on %s pending %u\n",
		   event_gate_is_frozen(), wanted_rules.freeze_after, text,
		   event_gate_pending());
	mutex_unlock(&controls_lock);
	kfree(text);
	seq_printf(file, "gate let_in %llu filtered %llu sampled %llu frozen %llu\n",
		   event_gate_count(GATE_LET_IN),
		   event_gate_count(GATE_FILTERED),
		   event_gate_count(GATE_SAMPLED),
		   event_gate_count(GATE_FROZEN));
	return 0;
}
