/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kprobes for what no tracepoint shows.
 */
#ifndef RENOSCOPE_GAP_PROBES_H
#define RENOSCOPE_GAP_PROBES_H

#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/types.h>

#include "entry_hook.h"

struct seq_file;

/**
 * struct gap_probe - a function of the kernel, and what is done when it runs
 * @symbol: the function's name
 * @kinds: the kinds of events that need it, the bit of each is its number
 * @at_entry: for a probe of the entry alone: called there
 * @on_each_segment: for a function that every segment passes: called at its entry in
 *		     place of @before and @after, where the kernel can; or NULL
 * @function_found: told the function's address before @on_each_segment is called
 * @before: for a probe of both ends: called on entry; nonzero skips @after
 * @after: for a probe of both ends: called on return; NULL for @at_entry
 * @data_bytes: what @before keeps for @after, in bytes
 * @forget: called when it is newly attached, and all others are: takes away what
 *	    calls long ago left for later ones; NULL if they leave nothing
 * @probe: the kernel's part, made anew each time; .kp alone for @at_entry
 * @hook: the kernel's part for @on_each_segment
 * @attached: @probe is registered, or @hook
 * @is_new: it has just been attached, @forget is still to be called
 * @missed: calls that earlier registrations of @probe missed
 * @error: why attaching failed last, 0 if it did not
 */
struct gap_probe {
	const char *symbol;
	u64 kinds;
	kprobe_pre_handler_t at_entry;
	entry_hook_func_t on_each_segment;
	void (*function_found)(unsigned long function);
	kretprobe_handler_t before;
	kretprobe_handler_t after;
	size_t data_bytes;
	void (*forget)(void);
	struct kretprobe probe;
	struct entry_hook hook;
	bool attached;
	bool is_new;
	unsigned long missed;
	int error;
};

/* The n-th argument, from 0, of the function that is entered, where it is a pointer. */
#define probe_argument(regs, n)	((void *)regs_get_kernel_argument(regs, n))

/* One part of the table: the gaps of one subject. */
struct gap_group {
	struct gap_probe *probes;
	size_t count;
};

void gap_probes_apply(u64 kinds);
void gap_probes_show(struct seq_file *file);
void gap_probe_show_status(struct seq_file *file, const struct gap_probe *gap,
			   const char *all_off);

#endif /* RENOSCOPE_GAP_PROBES_H */
