// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own TCP tracepoints, and the probes on them.
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
 *			is processed; and zero_window, where it closes or opens
 *			the peer's
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
 *  error		sock:inet_sk_error_report, after the process was woken, who may
 *			have taken the error by then: so that is noted at
 *			sock:inet_sock_set_state, when the socket is closed
 *  bad_checksum	tcp:tcp_bad_csum, before the segment is dropped
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <trace/events/sock.h>
#include <trace/events/tcp.h>

#include "arrivals.h"
#include "event_capture.h"
#include "event_recorder.h"
#include "kernel_compat.h"
#include "receive_gaps.h"
#include "source_status.h"
#include "tracepoint_probes.h"

/* ---- the probes ------------------------------------------------------- */

/**
 * struct error_note - the error of the socket that was closed last on a CPU
 * @sk: the socket, only ever compared
 * @error: its sk_err at that moment
 *
 * tcp_done_with_error() sets the error, closes, which wakes the process, and reports.
 * MPTCP takes its subflow's error before the report, a process on another CPU may.
 */
struct error_note {
	const struct sock *sk;
	int error;
};

static DEFINE_PER_CPU(struct error_note, error_notes);

static void note_error(const struct sock *sk)
{
	this_cpu_write(error_notes.sk, sk);
	this_cpu_write(error_notes.error, READ_ONCE(sk->sk_err));
}

/* The error that is being reported; one report takes the note. */
static int reported_error(const struct sock *sk)
{
	bool noted = sk->sk_state == TCP_CLOSE &&
		     this_cpu_read(error_notes.sk) == sk;
	int error = READ_ONCE(sk->sk_err);

	if (!noted)
		return error;
	this_cpu_write(error_notes.sk, NULL);
	return error ?: this_cpu_read(error_notes.error);
}

static void probe_state(void *data, const struct sock *sk, const int old_state,
			const int new_state)
{
	struct tcp_event *event;

	if (!sk_is_tcp(sk))	/* MPTCP, SCTP and DCCP share it */
		return;
	if (new_state == TCP_CLOSE)
		note_error(sk);
	event = event_begin_sock(EVENT_KIND_state, sk);
	if (!event)
		return;
	if (old_state == TCP_LISTEN && new_state == TCP_SYN_RECV)
		event_capture_newborn(event, sk);
	else
		event_capture_sock(event, sk);
	if (new_state == TCP_SYN_SENT || new_state == TCP_LISTEN)
		event_capture_without_numbers(event);
	event_capture_process(event, sk);
	event->state = new_state;
	event->old_state = old_state;
	event_end(event);
}

static void probe_retransmit(void *data, const struct sock *sk,
			     const struct sk_buff *skb)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_retransmit, sk);

	if (!event)
		return;
	event_capture_retransmit(event, sk, skb);
	event_end(event);
}

static void probe_synack_retransmit(void *data, const struct sock *sk,
				    const struct request_sock *req)
{
	const struct sock *as_sock = sk->sk_state == TCP_LISTEN ?
		req_to_sk((struct request_sock *)req) : sk;
	struct tcp_event *event;

	event = event_begin_sock(EVENT_KIND_synack_retransmit, as_sock);
	if (!event)
		return;
	event_capture_synack_retransmit(event, sk, req);
	event_end(event);
}

static void probe_ca_state(void *data, struct sock *sk, const u8 ca_state)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_ca_state, sk);

	if (!event)
		return;
	event->old_ca_state = event->ca_state;
	event->ca_state = ca_state;
	event_end(event);
}

static void probe_reset_sent(COMPAT_SEND_RESET_ARGUMENTS)
{
	record_reset_sent(sk, skb, COMPAT_RESET_REASON);
}

static void probe_reset_received(void *data, struct sock *sk)
{
	struct tcp_event *event;

	event = event_begin_captured(EVENT_KIND_reset_received, sk);
	if (!event)
		return;
	capture_reset_segment(event, sk);
	event_end(event);
}

static void probe_destroy(void *data, struct sock *sk)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_destroy, sk);

	if (!event)
		return;
	event_capture_totals(event, sk);
	event_end(event);
}

static void probe_error(void *data, const struct sock *sk)
{
	struct tcp_event *event;
	int error;

	if (!sk_is_tcp(sk))	/* a raw socket may be of IPPROTO_TCP, too */
		return;
	error = reported_error(sk);
	event = event_begin_captured(EVENT_KIND_error, sk);
	if (!event)
		return;
	event->sk_error = error;
	event_end(event);
}

static void probe_bad_checksum(void *data, const struct sk_buff *skb)
{
	struct tcp_event seen = {};
	struct tcp_event *event;

	event_capture_sockless(&seen, skb);
	event = event_begin_like(EVENT_KIND_bad_checksum, &seen);
	if (event)
		event_end(event);
}

/* ---- the sources ------------------------------------------------------ */

/**
 * struct source - a tracepoint and the probe that goes on it
 * @kinds: the kinds that the probe records, the bit of each is its number
 * @system: the tracepoint's ftrace system, for people
 * @name: the tracepoint's name
 * @probe: the function
 * @tracepoint: NULL when this kernel has none of that name
 * @attached: the probe is on it
 * @error: why attaching failed last, 0 if it did not
 */
struct source {
	u64 kinds;
	const char *system;
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;
	bool attached;
	int error;
};

/*
 * 0; but the build fails where the probe does not take what the tracepoint gives.
 * Nothing is called: sizeof looks at the types alone.
 */
#define CHECKED(name_, probe_)						\
	(0 * sizeof((check_trace_callback_type_##name_(probe_), 0)))

#define SOURCE(system_, name_, kind_)					\
	SOURCE_OF(system_, name_, probe_##kind_, EVENT_KIND_BIT(kind_))
#define SOURCE_OF(system_, name_, probe_, kinds_) {			\
	.kinds = kinds_,						\
	.system = #system_,						\
	.name = #name_,							\
	.probe = (void *)probe_ + CHECKED(name_, probe_),		\
}

static struct source sources[] = {
	SOURCE_OF(sock, inet_sock_set_state, probe_state,
		  EVENT_KIND_BIT(state) | EVENT_KIND_BIT(error)),
	SOURCE_OF(tcp, tcp_probe, probe_ack,
		  EVENT_KIND_BIT(ack) | EVENT_KIND_BIT(zero_window)),
	SOURCE(tcp, tcp_retransmit_skb, retransmit),
	SOURCE(tcp, tcp_retransmit_synack, synack_retransmit),
	SOURCE(tcp, tcp_cong_state_set, ca_state),
	SOURCE(tcp, tcp_send_reset, reset_sent),
	SOURCE(tcp, tcp_receive_reset, reset_received),
	SOURCE(tcp, tcp_destroy_sock, destroy),
	SOURCE(sock, inet_sk_error_report, error),
	SOURCE(tcp, tcp_bad_csum, bad_checksum),
};

static void attach_source(struct source *source)
{
	char names[EVENT_KINDS_TEXT_MAX];

	source->error = tracepoint_probe_register(source->tracepoint,
						  source->probe, NULL);
	source->attached = !source->error;
	if (!source->error)
		return;
	event_kinds_print(source->kinds, names, sizeof(names));
	pr_warn("%s:%s: cannot attach (error %d); no %s events\n",
		source->system, source->name, source->error, names);
}

static void detach_source(struct source *source)
{
	tracepoint_probe_unregister(source->tracepoint, source->probe, NULL);
	source->attached = false;
}

static void find_tracepoint(struct tracepoint *tracepoint, void *unused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i].name, tracepoint->name))
			sources[i].tracepoint = tracepoint;
}

/* ---- for event_sources ------------------------------------------------ */

/**
 * tracepoint_probes_find - find the tracepoints
 *
 * Context: module load, may sleep.
 * Return: 0, or -ENOENT if the kernel has none of the tracepoints, so that
 * hardly anything could ever be recorded.
 */
int tracepoint_probes_find(void)
{
	size_t i;

	for_each_kernel_tracepoint(find_tracepoint, NULL);
	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i].tracepoint)
			return 0;
	pr_err("this kernel has none of TCP's tracepoints\n");
	return -ENOENT;
}

/**
 * tracepoint_probes_apply - attach what is wanted, detach what is not
 * @kinds: the kinds wanted, the bit of each is its number
 *
 * A detached probe may still be running: tracepoint_synchronize_unregister()
 * waits for it.
 *
 * Context: may sleep; one caller at a time.
 */
void tracepoint_probes_apply(u64 kinds)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		struct source *source = &sources[i];
		bool wanted = kinds & source->kinds;

		if (!source->tracepoint)
			continue;
		if (wanted && !source->attached)
			attach_source(source);
		else if (!wanted && source->attached)
			detach_source(source);
	}
}

static void show_status(struct seq_file *file, const struct source *source)
{
	if (!source->tracepoint)
		seq_puts(file, "missing: this kernel has no such tracepoint");
	else
		source_status_show(file, source->attached, source->error);
	seq_putc(file, '\n');
}

/**
 * tracepoint_probes_show - one line for each tracepoint, for `stats`
 * @file: where to
 *
 * Context: may sleep; not beside tracepoint_probes_apply().
 */
void tracepoint_probes_show(struct seq_file *file)
{
	char names[EVENT_KINDS_TEXT_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		event_kinds_print(sources[i].kinds, names, sizeof(names));
		seq_printf(file, "source %s %s:%s ", names,
			   sources[i].system, sources[i].name);
		show_status(file, &sources[i]);
	}
}
