// SPDX-License-Identifier: GPL-2.0
/*
 * The entry of a function that every segment passes.
 *
 * A kprobe stands on the call that the compiler left for ftrace at the function's
 * entry. It is reached with all registers saved, looks itself up and sets the CPU's
 * state for a breakpoint that there was not: 170 instructions on 6.12, 290 with the
 * return as well, as much as a whole `ack` event. Where each segment passes, ftrace is
 * asked to call us itself, with the arguments' registers alone: 50.
 *
 * There is no return, and nothing is done for the handler: it runs as the function does,
 * with preemption as it is there, and is called again by what it calls. Nor are calls
 * counted that were not heard, since there are none: where several trace a function,
 * ftrace leaves out what one of them calls in the same context (ftrace_ops_list_func() in
 * kernel/trace/ftrace.c), and those send no segments. What it does not tell is that
 * somebody has switched it off for the whole machine (kernel.ftrace_enabled). So there
 * is a canary, as for kprobes: a hook on a function of our own, which `stats` calls.
 *
 * All that attaches and detaches is done by one caller at a time.
 */
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "entry_hook.h"

/* A name of those that are hooked, and behind it +0x.../0x... */
#define ADDRESS_TEXT_BYTES	96

/* ---- attaching and detaching ------------------------------------------ */

/*
 * Only a kprobe finds a symbol for a module; this one is never armed. Its address may
 * lie behind the function's first byte, which is what others call and %pS counts from.
 */
static int find_function(const char *symbol, unsigned long *function)
{
	struct kprobe finder = {
		.symbol_name = symbol,
		.flags = KPROBE_FLAG_DISABLED,
	};
	char text[ADDRESS_TEXT_BYTES], *plus;
	unsigned long behind;
	int err;

	err = register_kprobe(&finder);
	if (err)
		return err;
	*function = (unsigned long)finder.addr;
	unregister_kprobe(&finder);
	snprintf(text, sizeof(text), "%pS", (void *)*function);
	plus = strchr(text, '+');
	if (!plus || sscanf(plus, "+%lx", &behind) != 1)
		return -EINVAL;
	*function -= behind;
	return 0;
}

static int hook_function(struct entry_hook *hook, unsigned long function,
			 entry_hook_func_t handler)
{
	int err;

	/* The kernel leaves its traces in it: it must be new each time. */
	memset(hook, 0, sizeof(*hook));
	hook->ops.func = handler;
	err = ftrace_set_filter_ip(&hook->ops, function, 0, 1);
	if (!err)
		err = register_ftrace_function(&hook->ops);
	if (err)
		ftrace_free_filter(&hook->ops);
	hook->attached = !err;
	return err;
}

static void unhook(struct entry_hook *hook)
{
	unregister_ftrace_function(&hook->ops);
	ftrace_free_filter(&hook->ops);
	hook->attached = false;
}

/* ---- the canary ------------------------------------------------------- */

static struct entry_hook canary;
static unsigned int hooks_attached;
/* No bool: with UBSAN_BOOL gcc 12 takes it for what was last written here. */
static int canary_heard;

/* Out of line and not empty, or there would be no call to hook. */
static noinline void call_canary(void)
{
	barrier();
}

static void notrace hear_canary(unsigned long ip, unsigned long caller,
				struct ftrace_ops *ops, struct ftrace_regs *regs)
{
	WRITE_ONCE(canary_heard, 1);
}

/**
 * entry_hooks_are_off - whether ftrace is switched off for the whole machine
 *
 * Where the canary could not be attached, nothing is claimed.
 *
 * Context: may sleep; not beside attaching and detaching.
 * Return: true if no hook is called.
 */
bool entry_hooks_are_off(void)
{
	if (!entry_hook_is_attached(&canary))
		return false;
	WRITE_ONCE(canary_heard, 0);
	call_canary();
	return !READ_ONCE(canary_heard);
}

/* ---- for others ------------------------------------------------------- */

/**
 * entry_hook_attach - have a function's entry call us
 * @hook: not attached
 * @symbol: the function's name
 * @handler: notrace; it is called in the function's context
 * @found: told the address of the function's first byte before @handler is called
 *
 * Context: may sleep; one caller at a time.
 * Return: 0, or a negative error: -ENOENT if this kernel has no such function, others
 *	   if ftrace does not know it.
 */
int entry_hook_attach(struct entry_hook *hook, const char *symbol,
		      entry_hook_func_t handler,
		      void (*found)(unsigned long function))
{
	unsigned long function;
	int err;

	err = find_function(symbol, &function);
	if (err)
		return err;
	found(function);
	err = hook_function(hook, function, handler);
	if (!err && !hooks_attached++)
		hook_function(&canary, (unsigned long)call_canary, hear_canary);
	return err;
}

/**
 * entry_hook_detach - leave the function alone
 * @hook: attached
 *
 * When it returns, the handler does not run any more, not even preempted
 * (ftrace_shutdown() waits for RCU tasks). But where ftrace has given up after a bug
 * of its own (ftrace_kill()), nobody can take a hook off.
 *
 * Context: may sleep; one caller at a time.
 */
void entry_hook_detach(struct entry_hook *hook)
{
	unhook(hook);
	if (!--hooks_attached && entry_hook_is_attached(&canary))
		unhook(&canary);
}
