// SPDX-License-Identifier: GPL-2.0
/*
 * Find, type-check, attach, detach.
 *
 * The kernel exports only two of TCP's tracepoints to modules by name, so they
 * are found by walking all of them. What a walk cannot check is the signature:
 * a probe that expects other arguments would read a stranger's stack. So each
 * probe is handed, at compile time, to the inline function that the kernel
 * makes for its tracepoint (check_trace_callback_type_*), and a changed
 * signature fails the build.
 *
 * A source is attached while its kind is among the `events` and the kernel has
 * its tracepoint. One that is missing is reported in `stats`; the others work.
 *
 * Kinds of events and the moment they are taken at:
 *
 *  state		sock:inet_sock_set_state, before the new state is stored
 *  ack			tcp:tcp_probe, on entry to tcp_rcv_established(): every
 *			segment for a connection in ESTABLISHED, before its ACK
 *			is processed
 *  retransmit		tcp:tcp_retransmit_skb, after the segment went out
 *  synack_retransmit	tcp:tcp_retransmit_synack, after the SYN-ACK went out,
 *			before it is counted
 *  ca_state		tcp:tcp_cong_state_set, before the new state is stored
 *  reset_sent		tcp:tcp_send_reset, before the RST to a received segment
 *			goes out, after one sent of our own accord
 *  reset_received	tcp:tcp_receive_reset, on entry to tcp_reset(): for a
 *			valid RST, and for data that comes after both directions
 *			were shut; then a reset_sent of the same socket follows
 *  destroy		tcp:tcp_destroy_sock, on entry to tcp_v4_destroy_sock()
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <trace/events/sock.h>
#include <trace/events/tcp.h>

#include "event_capture.h"
#include "event_recorder.h"
#include "kernel_compat.h"
#include "tracepoint_probes.h"

/* ---- the probes ------------------------------------------------------- */

/* A state of a request sock is, to people, SYN-RECEIVED. */
static u8 state_for_people(int state)
{
	return state == TCP_NEW_SYN_RECV ? TCP_SYN_RECV : state;
}

static void probe_state(void *data, const struct sock *sk, const int old_state,
			const int new_state)
{
	struct tcp_event *event;

	if (sk->sk_protocol != IPPROTO_TCP)	/* MPTCP, SCTP and DCCP share it */
		return;
	event = event_begin(EVENT_KIND_state);
	if (!event)
		return;
	if (old_state == TCP_LISTEN && new_state == TCP_SYN_RECV)
		event_capture_newborn(event, sk);
	else
		event_capture_sock(event, sk);
	if (new_state == TCP_SYN_SENT || new_state == TCP_LISTEN)
		event_capture_without_numbers(event);
	event->state = state_for_people(new_state);
	event->old_state = state_for_people(old_state);
	event_end(event);
}

static void probe_ack(void *data, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_event *event = event_begin(EVENT_KIND_ack);

	if (!event)
		return;
	event_capture_sock(event, sk);
	event_capture_received(event, skb);
	event_end(event);
}

static void probe_retransmit(void *data, const struct sock *sk,
			     const struct sk_buff *skb)
{
	struct tcp_event *event = event_begin(EVENT_KIND_retransmit);

	if (!event)
		return;
	event_capture_sock(event, sk);
	event_capture_sent(event, skb);
	event->total_retrans = tcp_sk(sk)->total_retrans;
	event_end(event);
}

static void probe_synack_retransmit(void *data, const struct sock *sk,
				    const struct request_sock *req)
{
	struct tcp_event *event = event_begin(EVENT_KIND_synack_retransmit);

	if (!event)
		return;
	event_capture_request(event, sk, req);
	event_end(event);
}

static void probe_ca_state(void *data, struct sock *sk, const u8 ca_state)
{
	struct tcp_event *event = event_begin(EVENT_KIND_ca_state);

	if (!event)
		return;
	event_capture_sock(event, sk);
	event->old_ca_state = event->ca_state;
	event->ca_state = ca_state;
	event_end(event);
}

static void probe_reset_sent(COMPAT_SEND_RESET_ARGUMENTS)
{
	struct tcp_event *event = event_begin(EVENT_KIND_reset_sent);

	if (!event)
		return;
	if (sk)
		event_capture_sock(event, sk);
	else if (skb)
		event_capture_refused(event, skb);
	if (sk && skb && sk->sk_state == TCP_LISTEN)
		event_capture_ends(event, skb);	/* a listener has no peer */
	if (skb)
		event_capture_received(event, skb);
	event->reset_reason = COMPAT_RESET_REASON;
	event_end(event);
}

static void probe_reset_received(void *data, struct sock *sk)
{
	struct tcp_event *event = event_begin(EVENT_KIND_reset_received);

	if (!event)
		return;
	event_capture_sock(event, sk);
	event_end(event);
}

static void probe_destroy(void *data, struct sock *sk)
{
	struct tcp_event *event = event_begin(EVENT_KIND_destroy);

	if (!event)
		return;
	event_capture_sock(event, sk);
	event_capture_totals(event, sk);
	event_end(event);
}

/* Never called: compiling it is the check. */
static void __maybe_unused check_probe_types(void)
{
	check_trace_callback_type_inet_sock_set_state(probe_state);
	check_trace_callback_type_tcp_probe(probe_ack);
	check_trace_callback_type_tcp_retransmit_skb(probe_retransmit);
	check_trace_callback_type_tcp_retransmit_synack(probe_synack_retransmit);
	check_trace_callback_type_tcp_cong_state_set(probe_ca_state);
	check_trace_callback_type_tcp_send_reset(probe_reset_sent);
	check_trace_callback_type_tcp_receive_reset(probe_reset_received);
	check_trace_callback_type_tcp_destroy_sock(probe_destroy);
}

/* ---- the sources ------------------------------------------------------ */

/**
 * struct source - a tracepoint and the probe that goes on it
 * @kind: what the probe records
 * @system: the tracepoint's ftrace system, for people
 * @name: the tracepoint's name
 * @probe: the function
 * @tracepoint: NULL when this kernel has none of that name
 * @attached: the probe is on it
 * @error: why attaching failed last, 0 if it did not
 */
struct source {
	enum event_kind kind;
	const char *system;
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;
	bool attached;
	int error;
};

#define SOURCE(system_, name_, kind_) {					\
	.kind = EVENT_KIND_##kind_,					\
	.system = system_,						\
	.name = name_,							\
	.probe = (void *)probe_##kind_,					\
}

static struct source sources[] = {
	SOURCE("sock", "inet_sock_set_state", state),
	SOURCE("tcp", "tcp_probe", ack),
	SOURCE("tcp", "tcp_retransmit_skb", retransmit),
	SOURCE("tcp", "tcp_retransmit_synack", synack_retransmit),
	SOURCE("tcp", "tcp_cong_state_set", ca_state),
	SOURCE("tcp", "tcp_send_reset", reset_sent),
	SOURCE("tcp", "tcp_receive_reset", reset_received),
	SOURCE("tcp", "tcp_destroy_sock", destroy),
};

#define ALL_KINDS	GENMASK_ULL(EVENT_KIND_END - 1, EVENT_KIND_NONE + 1)

/* Guards sources[] and the three below. */
static DEFINE_MUTEX(sources_lock);
static bool sources_live;		/* between init and exit */
static u64 wanted_kinds = ALL_KINDS;

static void attach_source(struct source *source)
{
	source->error = tracepoint_probe_register(source->tracepoint,
						  source->probe, NULL);
	source->attached = !source->error;
	if (source->error)
		pr_warn("%s:%s: cannot attach (error %d); no %s events\n",
			source->system, source->name, source->error,
			event_kind_name(source->kind));
}

static void detach_source(struct source *source)
{
	tracepoint_probe_unregister(source->tracepoint, source->probe, NULL);
	source->attached = false;
}

/* Bring every source into the state that wanted_kinds asks for. */
static void apply_wanted(void)
{
	size_t i;

	lockdep_assert_held(&sources_lock);
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		struct source *source = &sources[i];
		bool wanted = sources_live &&
			      (wanted_kinds & BIT_ULL(source->kind));

		if (!source->tracepoint)
			continue;
		if (wanted && !source->attached)
			attach_source(source);
		else if (!wanted && source->attached)
			detach_source(source);
	}
}

static void find_tracepoint(struct tracepoint *tracepoint, void *unused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i].name, tracepoint->name))
			sources[i].tracepoint = tracepoint;
}

/* ---- the parameter ---------------------------------------------------- */

/* One word of the parameter into @kinds. */
static int add_word(const char *word, size_t length, u64 *kinds)
{
	int kind = event_kind_by_name(word, length);

	if (kind < 0 || kind == EVENT_KIND_lost) {
		pr_err("events: '%.*s' is no kind of event; cat schema in debugfs lists them\n",
		       (int)length, word);
		return -EINVAL;
	}
	*kinds |= BIT_ULL(kind);
	return 0;
}

static int parse_kinds(const char *text, u64 *kinds)
{
	const char *separators = "\n, ";
	int err = 0;

	if (sysfs_streq(text, "all")) {
		*kinds = ALL_KINDS;
		return 0;
	}
	*kinds = 0;
	if (sysfs_streq(text, "none"))
		return 0;

	text += strspn(text, separators);
	if (!*text) {
		pr_err("events: no kind is named; to record nothing write none\n");
		return -EINVAL;
	}
	while (*text && !err) {
		size_t length = strcspn(text, separators);

		err = add_word(text, length, kinds);
		text += length;
		text += strspn(text, separators);
	}
	return err;
}

static int set_events(const char *text, const struct kernel_param *param)
{
	u64 kinds;
	int err = parse_kinds(text, &kinds);

	if (err)
		return err;
	mutex_lock(&sources_lock);
	wanted_kinds = kinds;
	apply_wanted();
	mutex_unlock(&sources_lock);
	return 0;
}

static int get_events(char *text, const struct kernel_param *param)
{
	size_t i, length = 0;

	mutex_lock(&sources_lock);
	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (wanted_kinds & BIT_ULL(sources[i].kind))
			length += scnprintf(text + length, PAGE_SIZE - length,
					    "%s%s", length ? "," : "",
					    event_kind_name(sources[i].kind));
	mutex_unlock(&sources_lock);
	length += scnprintf(text + length, PAGE_SIZE - length, "%s\n",
			    length ? "" : "none");
	return length;
}

static const struct kernel_param_ops events_ops = {
	.set = set_events,
	.get = get_events,
};
module_param_cb(events, &events_ops, NULL, 0644);
MODULE_PARM_DESC(events,
		 "kinds of events to record, comma-separated, or all, or none (default all)");

/* ---- life ------------------------------------------------------------- */

/**
 * tracepoint_probes_init - find the tracepoints and attach what is wanted
 *
 * From here on events flow into the recorder.
 *
 * Context: module load, may sleep.
 * Return: 0, or -ENOENT if the kernel has none of the tracepoints, so that
 * nothing could ever be recorded.
 */
int tracepoint_probes_init(void)
{
	bool any = false;
	size_t i;

	for_each_kernel_tracepoint(find_tracepoint, NULL);
	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i].tracepoint)
			any = true;
	if (!any) {
		pr_err("this kernel has none of TCP's tracepoints\n");
		return -ENOENT;
	}

	mutex_lock(&sources_lock);
	sources_live = true;
	apply_wanted();
	mutex_unlock(&sources_lock);
	return 0;
}

/**
 * tracepoint_probes_exit - detach everything and wait for the last probe
 *
 * Context: module unload, sleeps.
 */
void tracepoint_probes_exit(void)
{
	mutex_lock(&sources_lock);
	sources_live = false;
	apply_wanted();
	mutex_unlock(&sources_lock);
	tracepoint_synchronize_unregister();
}

static void show_status(struct seq_file *file, const struct source *source)
{
	if (!source->tracepoint)
		seq_puts(file, "missing: this kernel has no such tracepoint\n");
	else if (source->attached)
		seq_puts(file, "attached\n");
	else if (source->error)
		seq_printf(file, "missing: attaching failed with error %d\n",
			   source->error);
	else
		seq_puts(file, "off\n");
}

/**
 * tracepoint_probes_show - one line for each source, for `stats`
 * @file: where to
 *
 * Context: process context, may sleep.
 */
void tracepoint_probes_show(struct seq_file *file)
{
	size_t i;

	mutex_lock(&sources_lock);
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		seq_printf(file, "source %s %s:%s ",
			   event_kind_name(sources[i].kind), sources[i].system,
			   sources[i].name);
		show_status(file, &sources[i]);
	}
	mutex_unlock(&sources_lock);
}
