/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry of a function that every segment passes.
 */
#ifndef RENOSCOPE_ENTRY_HOOK_H
#define RENOSCOPE_ENTRY_HOOK_H

#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/types.h>

#include "kernel_compat.h"

/* What ftrace calls: the place, who called the function there, the hook, registers. */
typedef void (*entry_hook_func_t)(unsigned long ip, unsigned long caller,
				  struct ftrace_ops *ops,
				  struct ftrace_regs *regs);

#ifdef COMPAT_HAS_ENTRY_HOOKS

/**
 * struct entry_hook - one function of the kernel, and what is called at its entry
 * @ops: the kernel's part, made anew each time
 * @attached: it is called
 */
struct entry_hook {
	struct ftrace_ops ops;
	bool attached;
};

int entry_hook_attach(struct entry_hook *hook, const char *symbol,
		      entry_hook_func_t handler,
		      void (*found)(unsigned long function));
void entry_hook_detach(struct entry_hook *hook);
bool entry_hooks_are_off(void);

static inline bool entry_hook_is_attached(const struct entry_hook *hook)
{
	return hook->attached;
}

#else

struct entry_hook { };

static inline int entry_hook_attach(struct entry_hook *hook, const char *symbol,
				    entry_hook_func_t handler,
				    void (*found)(unsigned long function))
{
	return -EOPNOTSUPP;
}

static inline void entry_hook_detach(struct entry_hook *hook) { }

static inline bool entry_hooks_are_off(void)
{
	return false;
}

static inline bool entry_hook_is_attached(const struct entry_hook *hook)
{
	return false;
}

#endif

#endif /* RENOSCOPE_ENTRY_HOOK_H */
