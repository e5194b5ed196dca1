// SPDX-License-Identifier: GPL-2.0
/*
 * The timers of a sender, and the windows that stop one.
 *
 *  rto			tcp_retransmit_timer(), on entry, when it is going to
 *			count a timeout
 *  loss_probe		tcp_send_loss_probe(), on return, if a probe was sent
 *  probe		tcp_write_wakeup(), on entry: the persist timer's probe or
 *			the keepalive timer's
 *  zero_window, own	__tcp_select_window(), when the window that it chooses
 *			will be advertised, and becomes zero or ceases to be. (That of
 *			the peer: arrivals.c.) A window that is closed for want
 *			of memory (ICSK_ACK_NOMEM), or taken back under
 *			tcp_shrink_window=1, does not come by here; it is only
 *			seen to open again. MPTCP's subflows have one window
 *			in common, which it puts in place of theirs afterwards
 *			(net/mptcp/options.c): nothing is told of those.
 */
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/snmp.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <net/mptcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_recorder.h"
#include "kernel_compat.h"
#include "sender_gaps.h"

/* ---- timeouts --------------------------------------------------------- */

/* Where tcp_retransmit_timer() in net/ipv4/tcp_timer.c counts TCPTimeouts. */
static bool is_timeout(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	int opening = TCPF_SYN_SENT | TCPF_SYN_RECV;

	if (rcu_access_pointer(tp->fastopen_rsk) || !tp->packets_out)
		return false;
	/* A retransmission into a zero window serves as a probe. */
	return tp->snd_wnd || sock_flag(sk, SOCK_DEAD) ||
	       (1 << sk->sk_state) & opening;
}

static int enter_retransmit_timer(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	struct tcp_event *event;

	if (!is_timeout(sk))
		return 0;
	event = event_begin_captured(EVENT_KIND_rto, sk);
	if (event)
		event_end(event);
	return 0;
}

/* ---- tail loss probes ------------------------------------------------- */

/**
 * struct loss_probe_call - tcp_send_loss_probe() at work
 * @sk: its socket
 * @high_seq: tlp_high_seq on entry: not 0 while a probe is out already
 */
struct loss_probe_call {
	const struct sock *sk;
	u32 high_seq;
};

static int before_send_loss_probe(struct kretprobe_instance *instance,
				  struct pt_regs *regs)
{
	struct loss_probe_call *call = (void *)instance->data;

	call->sk = probe_argument(regs, 0);
	call->high_seq = tcp_sk(call->sk)->tlp_high_seq;
	return call->high_seq != 0;
}

static int after_send_loss_probe(struct kretprobe_instance *instance,
				 struct pt_regs *regs)
{
	const struct loss_probe_call *call = (void *)instance->data;
	const struct tcp_sock *tp = tcp_sk(call->sk);
	struct tcp_event *event;

	if (!tp->tlp_high_seq)
		return 0;
	event = event_begin_captured(EVENT_KIND_loss_probe, call->sk);
	if (!event)
		return 0;
	event->probe_retransmits = tp->tlp_retrans;
	event_end(event);
	return 0;
}

/* ---- probes of windows and of life ------------------------------------ */

static u8 probe_cause_of(int mib)
{
	switch (mib) {
	case LINUX_MIB_TCPWINPROBE:
		return EVENT_probe_cause_zero_window;
	case LINUX_MIB_TCPKEEPALIVE:
		return EVENT_probe_cause_keepalive;
	default:
		return EVENT_probe_cause_other;
	}
}

/* As tcp_write_wakeup() in net/ipv4/tcp_output.c decides. */
static bool window_has_room(const struct sock *sk)
{
	const struct sk_buff *skb = tcp_send_head(sk);

	return skb && before(TCP_SKB_CB(skb)->seq, tcp_wnd_end(tcp_sk(sk)));
}

static int enter_write_wakeup(struct kprobe *probe, struct pt_regs *regs)
{
	const struct sock *sk = probe_argument(regs, 0);
	int mib = regs_get_kernel_argument(regs, 1);
	struct tcp_event *event;

	if (sk->sk_state == TCP_CLOSE)
		return 0;
	event = event_begin_captured(EVENT_KIND_probe, sk);
	if (!event)
		return 0;
	event->probe_cause = probe_cause_of(mib);
	event->probes_out = inet_csk(sk)->icsk_probes_out;
	event->probe_carries_data = window_has_room(sk);
	event_end(event);
	return 0;
}

/* ---- our own window --------------------------------------------------- */

/**
 * struct select_window_call - __tcp_select_window() at work
 * @sk: its socket
 */
struct select_window_call {
	const struct sock *sk;
};

/*
 * The window that is offered now is what the peer may still fill, and it is not
 * taken back. So only where nothing of it is left can it become zero, or cease to
 * be zero. All other calls, nearly all, end here.
 */
static __always_inline bool window_is_exhausted(const struct sock *sk)
{
	return unlikely(!tcp_receive_window(tcp_sk(sk))) && !sk_is_mptcp(sk);
}

/* The longest name that is asked for; what is cut off of a longer one does not matter. */
#define CALLER_TEXT_BYTES	sizeof("__tcp_transmit_skb")

/*
 * The function is also called to find out whether an ACK would be worth its
 * while; then the window is not advertised. The caller's name tells.
 */
static bool called_by_transmit(const char *caller)
{
	return str_has_prefix(caller, "__tcp_transmit_skb") ||
	       str_has_prefix(caller, "tcp_select_window");
}

/* The socket still has the window that was advertised last, in bytes as the new one. */
static bool window_closes_or_opens(const struct sock *sk, u32 window)
{
	return !tcp_sk(sk)->rcv_wnd != !window;
}

static void record_own_window(const struct sock *sk, u32 window)
{
	struct tcp_event *event;

	event = event_begin_captured(EVENT_KIND_zero_window, sk);
	if (!event)
		return;
	event->rcv_wnd = window;
	event->window_side = EVENT_window_side_own;
	event->window_change = window ? EVENT_window_change_opened :
					EVENT_window_change_closed;
	event_end(event);
}

#ifdef COMPAT_HAS_ENTRY_HOOKS
/*
 * No module can name the function, so its address is looked up. And nobody may call it
 * by its address: the kernel never does, so where indirect branches are tracked (IBT) it
 * is no place for one to land. A static call is written into our code as a direct one.
 */
DEFINE_STATIC_CALL_NULL(select_window, __tcp_select_window);

static void select_window_found(unsigned long function)
{
	static_call_update(select_window, (void *)function);
}

/*
 * At the entry nothing tells what the function will choose, and there is no return.
 * But asked twice in a row it chooses the same: all that it changes are two limits
 * (icsk_ack.quick, rcv_ssthresh), which the second call finds where it would put them.
 * (Where a process has the socket, another CPU may add to its backlog in between, and
 * so take away the window's last room.)
 * So it is asked, in the few calls that come so far; this call comes here, too, and
 * ends at the caller's name.
 */
static noinline notrace void ask_for_window(struct sock *sk,
					    unsigned long from)
{
	char caller[CALLER_TEXT_BYTES];
	u32 window;

	snprintf(caller, sizeof(caller), "%ps", (void *)from);
	if (!called_by_transmit(caller))
		return;
	window = static_call(select_window)(sk);
	if (!window_closes_or_opens(sk, window))
		return;
	/* As in any other probe. */
	preempt_disable_notrace();
	record_own_window(sk, window);
	preempt_enable_notrace();
}

static void notrace enter_select_window(unsigned long ip, unsigned long caller,
					struct ftrace_ops *ops,
					struct ftrace_regs *regs)
{
	struct sock *sk = (struct sock *)compat_ftrace_argument(regs, 0);

	if (window_is_exhausted(sk))
		ask_for_window(sk, caller);
}
#else
#define select_window_found NULL
#define enter_select_window NULL
#endif

/* Where there is no hook, a probe of both ends. */
static int before_select_window(struct kretprobe_instance *instance,
				struct pt_regs *regs)
{
	struct select_window_call *call = (void *)instance->data;

	call->sk = probe_argument(regs, 0);
	return !window_is_exhausted(call->sk);
}

/*
 * @regs has the address that the function returns to, whoever else probes it. But for
 * the function_graph tracer: if it came to the function after us, that address is its
 * trampoline, and who called is not known.
 */
static int after_select_window(struct kretprobe_instance *instance,
			       struct pt_regs *regs)
{
	const struct select_window_call *call = (void *)instance->data;
	u32 window = regs_return_value(regs);
	char caller[CALLER_TEXT_BYTES];

	if (!window_closes_or_opens(call->sk, window))
		return 0;
	snprintf(caller, sizeof(caller), "%ps",
		 (void *)instruction_pointer(regs));
	if (str_has_prefix(caller, "return_to_handler"))
		get_kretprobe(instance)->nmissed++;
	else if (called_by_transmit(caller))
		record_own_window(call->sk, window);
	return 0;
}

static struct gap_probe probes[] = {
	{
		.symbol = "tcp_retransmit_timer",
		.kinds = EVENT_KIND_BIT(rto),
		.at_entry = enter_retransmit_timer,
	},
	{
		.symbol = "tcp_send_loss_probe",
		.kinds = EVENT_KIND_BIT(loss_probe),
		.before = before_send_loss_probe,
		.after = after_send_loss_probe,
		.data_bytes = sizeof(struct loss_probe_call),
	},
	{
		.symbol = "tcp_write_wakeup",
		.kinds = EVENT_KIND_BIT(probe),
		.at_entry = enter_write_wakeup,
	},
	{
		.symbol = "__tcp_select_window",
		.kinds = EVENT_KIND_BIT(zero_window),
		.on_each_segment = enter_select_window,
		.function_found = select_window_found,
		.before = before_select_window,
		.after = after_select_window,
		.data_bytes = sizeof(struct select_window_call),
	},
};

const struct gap_group sender_gaps = { probes, ARRAY_SIZE(probes) };
EXPORT_SYMBOL_IF_KUNIT(sender_gaps);
