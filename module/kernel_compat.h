/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernels, in one place, each with the version that made
 * it. Kbuild.compat asks the kernel's headers and not the version number, because
 * stable kernels carry newer code under older numbers. The number is asked only where
 * no header shows the difference.
 *
 * A tracepoint whose signature differs from what is chosen here fails the
 * build: tracepoint_probes.c compares the types.
 */
#ifndef RENOSCOPE_KERNEL_COMPAT_H
#define RENOSCOPE_KERNEL_COMPAT_H

#include <linux/stddef.h>
#include <linux/version.h>

#ifndef CONFIG_64BIT
#error "renoscope counts events in 64-bit per-CPU words and needs a 64-bit kernel"
#endif

/*
 * 6.2 gave KUnit a way to see what is static otherwise. Before it, and in
 * kernels without KUnit, nothing is exported.
 */
#if IS_ENABLED(CONFIG_KUNIT) && defined(COMPAT_HAS_KUNIT_VISIBILITY)
#include <linux/export.h>	/* 6.1's backport of the next uses it unasked */
#include <kunit/visibility.h>
#else
#define EXPORT_SYMBOL_IF_KUNIT(symbol)
#endif

/* What a suite needs of a tracepoint to attach to it. */
#define EXPORT_TRACEPOINT_IF_KUNIT(name)	\
	EXPORT_SYMBOL_IF_KUNIT(__tracepoint_##name)

/*
 * 6.10 gave tcp:tcp_send_reset a third argument, the reason, together with
 * net/rstreason.h. The reasons' numbers change from release to release, so
 * their names are taken from the kernel that the module is built for.
 */
#ifdef COMPAT_HAS_RESET_REASON
#include <net/rstreason.h>
#define COMPAT_SEND_RESET_ARGUMENTS					\
	void *data, const struct sock *sk, const struct sk_buff *skb,	\
	const enum sk_rst_reason reason
#define COMPAT_RESET_REASON		reason
#define COMPAT_RESET_REASONS		SK_RST_REASON_MAX

static inline const char *compat_reset_reason_name(unsigned int reason)
{
#define COMPAT_REASON_NAME(name)	[SK_RST_REASON_##name] = #name,
#define COMPAT_REASON_END(name)
	static const char * const names[SK_RST_REASON_MAX] = {
		DEFINE_RST_REASON(COMPAT_REASON_NAME, COMPAT_REASON_END)
	};
#undef COMPAT_REASON_NAME
#undef COMPAT_REASON_END
	return reason < SK_RST_REASON_MAX ? names[reason] : NULL;
}
#else
#define COMPAT_SEND_RESET_ARGUMENTS					\
	void *data, const struct sock *sk, const struct sk_buff *skb
#define COMPAT_RESET_REASON		0
#define COMPAT_RESET_REASONS		0

static inline const char *compat_reset_reason_name(unsigned int reason)
{
	return NULL;
}
#endif

/*
 * ftrace hands a function's arguments over without saving all registers: on x86 since
 * 5.11, on arm64 since 6.2, which gave it a name for taking them.
 */
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#define COMPAT_HAS_ENTRY_HOOKS
#ifdef COMPAT_HAS_FTRACE_ARGUMENT
#define compat_ftrace_argument(regs, n)	ftrace_regs_get_argument(regs, n)
#else
#define compat_ftrace_argument(regs, n)	\
	regs_get_kernel_argument(&(regs)->regs, n)
#endif
#endif

/*
 * 6.6 takes a window of zero from a segment that brings nothing else that is new
 * (tcp_may_update_window() in net/ipv4/tcp_input.c). No header shows it.
 */
#define COMPAT_ZERO_WINDOW_COUNTS	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0))

#endif /* RENOSCOPE_KERNEL_COMPAT_H */
