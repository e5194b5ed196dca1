// SPDX-License-Identifier: GPL-2.0
/*
 * Kprobes for what no tracepoint shows.
 *
 * A SYN that arrives, a request that expires, the end of TIME-WAIT: the kernel
 * has no tracepoint there, but it has a function, and its name is in the symbol
 * table. This file puts probes on such functions and takes them off; what they
 * do is said, subject by subject, in
 *
 *	handshake_gaps.c	from the SYN to accept(), cookies, refusals
 *	timewait_gaps.c		TIME-WAIT
 *	sender_gaps.c		timers of the sender, and zero windows
 *	receive_gaps.c		segments that tcp_probe does not show, resets
 *
 * What is probed is a function that another file calls, or one whose address is
 * taken: such a function exists as itself in every build, while a static one
 * may be inlined into its callers and never run under its name.
 *
 * A probe of the entry costs what a call costs where the kernel traces functions
 * (CONFIG_KPROBES_ON_FTRACE), a breakpoint elsewhere. A probe of both ends needs
 * an instance from its first moment to its last: there are eight for each CPU, since
 * some of these functions run in processes and can be preempted, and fewer where CPUs
 * are many. The kernel skips a probe when an instance is missing, or when the call
 * comes from an interrupt of another probe's handler. It counts that, and `stats` and
 * recordings tell. A function that every segment passes is not probed where ftrace
 * can call us itself (entry_hook.c).
 *
 * It does not count what passes while somebody has switched kprobes off for the
 * whole machine. Nor can a module ask for that; so there is a canary, a probe on a
 * function of our own, which `stats` calls.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "event_schema.h"
#include "gap_probes.h"
#include "handshake_gaps.h"
#include "kernel_compat.h"
#include "receive_gaps.h"
#include "sender_gaps.h"
#include "source_status.h"
#include "timewait_gaps.h"

/* detach_gaps() has room for so many; there are about 30, and the canary. */
#define MOST_PROBES	64

static const struct gap_group * const groups[] = {
	&handshake_gaps,
	&timewait_gaps,
	&sender_gaps,
	&receive_gaps,
};

#define for_each_gap_probe(gap, group, i)				\
	for ((group) = 0; (group) < ARRAY_SIZE(groups); (group)++)	\
		for ((i) = 0; (i) < groups[group]->count &&		\
			      ((gap) = &groups[group]->probes[i]); (i)++)

/* ---- the canary ------------------------------------------------------- */

static struct kprobe canary;
static bool canary_attached;
/* No bool: with UBSAN_BOOL gcc 12 takes it for what was last written here. */
static int canary_heard;

/* Out of line and not empty, or there would be no call to probe. */
static noinline void call_canary(void)
{
	barrier();
}

static int hear_canary(struct kprobe *probe, struct pt_regs *regs)
{
	WRITE_ONCE(canary_heard, 1);
	return 0;
}

/* Where it cannot be attached, nothing is claimed of the others. */
static void attach_canary(void)
{
	memset(&canary, 0, sizeof(canary));
	canary.addr = (kprobe_opcode_t *)call_canary;
	canary.pre_handler = hear_canary;
	canary_attached = !register_kprobe(&canary);
}

static bool kprobes_are_off(void)
{
	if (!canary_attached)
		return false;
	WRITE_ONCE(canary_heard, 0);
	call_canary();
	return !READ_ONCE(canary_heard);
}

/* ---- attaching and detaching ------------------------------------------ */

/* 6.12 has room for all of them on each CPU (lib/objpool.c): 4 KiB for 512. */
#define MOST_INSTANCES		512U

/* Each CPU can run the function in a softirq, beside a process that it has preempted. */
static unsigned int instances_of_a_probe(void)
{
	unsigned int cpus = num_possible_cpus();

	return max(min(8 * cpus, MOST_INSTANCES), 2 * cpus);
}

static int register_gap(struct gap_probe *gap)
{
	struct kretprobe *probe = &gap->probe;

	/* The kernel leaves its traces in it: it must be new each time. */
	memset(probe, 0, sizeof(*probe));
	if (gap->on_each_segment &&
	    !entry_hook_attach(&gap->hook, gap->symbol, gap->on_each_segment,
			       gap->function_found))
		return 0;
	probe->kp.symbol_name = gap->symbol;
	if (gap->at_entry) {
		probe->kp.pre_handler = gap->at_entry;
		return register_kprobe(&probe->kp);
	}
	probe->entry_handler = gap->before;
	probe->handler = gap->after;
	probe->data_size = gap->data_bytes;
	probe->maxactive = instances_of_a_probe();
	return register_kretprobe(probe);
}

static unsigned long missed_now(const struct gap_probe *gap)
{
	return gap->probe.kp.nmissed + gap->probe.nmissed;
}

static void attach_gap(struct gap_probe *gap)
{
	char names[EVENT_KINDS_TEXT_MAX];
	int before = gap->error;

	gap->missed += missed_now(gap);
	gap->error = register_gap(gap);
	gap->attached = !gap->error;
	gap->is_new = gap->attached;
	if (!gap->error)
		return;
	/* Once of what will be so again; memory may be there the next time. */
	if (gap->error == before && gap->error != -ENOMEM)
		return;
	event_kinds_print(gap->kinds, names, sizeof(names));
	pr_warn("%s: cannot be probed (error %d); events that need it (%s) will be missing\n",
		gap->symbol, gap->error, names);
}

/*
 * What one probe leaves another takes, and they are attached one by one: only when
 * all are is nothing left to lie about any more. Then the calls that lost what they
 * had left are waited for; they run with softirqs off.
 */
static void forget_calls_before(void)
{
	struct gap_probe *gap;
	bool any = false;
	size_t group, i;

	for_each_gap_probe(gap, group, i) {
		if (gap->is_new && gap->forget) {
			gap->forget();
			any = true;
		}
		gap->is_new = false;
	}
	if (any)
		synchronize_rcu();
}

/*
 * The kernel needs memory to take a probe off what ftrace traces. Where it gets none,
 * unregister_kprobe() leaves the probe where it is and does not tell
 * (__disarm_kprobe_ftrace() and __unregister_kprobe_top() in kernel/kprobes.c): it
 * would be called when our code is gone. disable_kprobe() does the same and tells. Of
 * a probe that is disabled nothing is left to do but to take it out of a table, which
 * needs no memory. ftrace still calls the kernel there, which finds no probe of ours.
 * To try again would be wrong: the kernel counts down before it fails.
 */
static void disarm(struct kprobe *probe)
{
	if (disable_kprobe(probe))
		probe->flags |= KPROBE_FLAG_DISABLED;
}

/*
 * Each call that unregisters waits for all CPUs to leave the probes, so there is
 * one for all probes and not one for each.
 */
static void detach_gaps(u64 kinds)
{
	static struct kretprobe *calls[MOST_PROBES];
	static struct kprobe *entries[MOST_PROBES];
	size_t group, i, calls_count = 0, entries_count = 0;
	struct gap_probe *gap;

	for_each_gap_probe(gap, group, i) {
		if (!gap->attached || kinds & gap->kinds)
			continue;
		if (WARN_ON_ONCE(entries_count + calls_count == MOST_PROBES - 1))
			break;
		gap->attached = false;
		if (entry_hook_is_attached(&gap->hook)) {
			entry_hook_detach(&gap->hook);
			continue;
		}
		disarm(&gap->probe.kp);
		if (gap->at_entry)
			entries[entries_count++] = &gap->probe.kp;
		else
			calls[calls_count++] = &gap->probe;
	}
	if (!kinds && canary_attached) {
		canary_attached = false;
		disarm(&canary);
		entries[entries_count++] = &canary;
	}
	if (calls_count)
		unregister_kretprobes(calls, calls_count);
	if (entries_count)
		unregister_kprobes(entries, entries_count);
}

/**
 * gap_probes_apply - attach what is wanted, detach what is not
 * @kinds: the kinds wanted, the bit of each is its number
 *
 * When it returns, no detached probe is running any more, and no attached one goes
 * by what was left before all were attached: kinds may be recorded.
 *
 * Context: may sleep; one caller at a time.
 */
void gap_probes_apply(u64 kinds)
{
	struct gap_probe *gap;
	size_t group, i;

	detach_gaps(kinds);
	if (kinds && !canary_attached)
		attach_canary();
	for_each_gap_probe(gap, group, i)
		if (!gap->attached && kinds & gap->kinds)
			attach_gap(gap);
	forget_calls_before();
}

/* ---- for `stats` ------------------------------------------------------ */

/**
 * gap_probe_show_status - what becomes of a probe's calls, and how many it missed
 * @file: where to
 * @gap: the probe
 * @all_off: what is switched off on this machine, with all that it would call;
 *	     NULL if nothing is
 *
 * Context: as gap_probes_show().
 */
void gap_probe_show_status(struct seq_file *file, const struct gap_probe *gap,
			   const char *all_off)
{
	unsigned long missed = gap->missed + missed_now(gap);

	if (gap->attached && all_off)
		seq_printf(file, "missing: %s switched off on this machine",
			   all_off);
	else if (!gap->attached && gap->error == -ENOENT)
		seq_puts(file, "missing: this kernel has no such function");
	else
		source_status_show(file, gap->attached, gap->error);
	/* Whatever it is now: recordings compare how many there were and are. */
	if (missed)
		seq_printf(file, ", missed %lu calls", missed);
	seq_putc(file, '\n');
}
EXPORT_SYMBOL_IF_KUNIT(gap_probe_show_status);

/**
 * gap_probes_show - one line for each probe, for `stats`
 * @file: where to
 *
 * Context: may sleep; not beside gap_probes_apply().
 */
void gap_probes_show(struct seq_file *file)
{
	const char *kprobes_off = kprobes_are_off() ? "kprobes are" : NULL;
	const char *hooks_off = entry_hooks_are_off() ? "ftrace is" : NULL;
	char names[EVENT_KINDS_TEXT_MAX];
	struct gap_probe *gap;
	size_t group, i;
	bool hooked;

	for_each_gap_probe(gap, group, i) {
		/* A probe was made where the kernel could not hook. */
		hooked = gap->on_each_segment && !gap->probe.kp.symbol_name;
		event_kinds_print(gap->kinds, names, sizeof(names));
		seq_printf(file, "source %s %s:%s ", names,
			   hooked ? "ftrace" : "kprobe", gap->symbol);
		gap_probe_show_status(file, gap,
				      hooked ? hooks_off : kprobes_off);
	}
}
