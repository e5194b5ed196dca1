// SPDX-License-Identifier: GPL-2.0
/*
 * Every segment, in both directions, with its options: netfilter hooks.
 *
 * TCP has no place that every segment passes: resets go out around the socket,
 * a SYN never meets one, tcp_probe shows what arrives in ESTABLISHED. IP has two,
 * LOCAL_IN and LOCAL_OUT, and netfilter has hooks there. They cost every packet a
 * call, so they are registered only while `segment` is among the `events`.
 *
 * Where we stand
 * --------------
 * First of all on LOCAL_IN: what came in for this host, before a rule of its
 * input chain may drop it. So a segment that the firewall then drops is shown,
 * and no other event of the socket follows. What was dropped before (prerouting,
 * the device, a failed route) is not shown.
 *
 * Last of all on LOCAL_OUT: what goes out, after the output chain has dropped
 * and translated what it wanted. A segment that postrouting, the queueing
 * discipline or the device drops later is shown. What leaves through a VRF passes
 * here twice, for the VRF's device and for the one that sends; only the latter is
 * shown.
 *
 * Ends are those of the segment as it lies here: behind prerouting's translation
 * of its destination and that of the output chain, before the translation of its
 * source on both ways. Without NAT in the output chain they are the socket's.
 *
 * Segmentation and reassembly
 * ---------------------------
 * Offloads work below us: a record of a GSO segment stands for all that the
 * device makes of it, and one of a GRO segment for all that were merged. seg_len
 * is the whole payload, flags and options are the one header's. Fragments of IPv4
 * are whole again at LOCAL_IN and not yet cut at LOCAL_OUT. Those of IPv6 are put
 * together after LOCAL_IN, unless connection tracking does it earlier: then the
 * first one is recorded, its seg_len only what it carries itself, and the others,
 * which have no TCP header, are not.
 *
 * Who
 * ---
 * Outgoing, the skb names its socket: a full one; for a SYN-ACK its request, as
 * tcp_make_synack() gives it the skb, so that the record has the id that the
 * connection will have. Fast Open's SYN-ACK belongs to the child, a cookie's
 * SYN-ACK to nobody. RSTs and ACKs that no full socket sends (TIME-WAIT, requests)
 * go out through a control socket of the kernel, one for all and no connection:
 * not a TCP socket to us. Incoming, the skb has a socket when early demux found
 * one: not on loopback, where segments keep their route and so skip it.
 *
 * Where the skb names none we ask the table of connections, by the segment's own
 * ends, as TCP will do after us. What is not there (a SYN, a segment for
 * nobody, a listener's) is recorded by its ends with cookie 0.
 *
 * The record shows the socket as it is when the segment passes: outgoing, before
 * snd_nxt counts it; incoming, before anything of it is processed. Sockets may be
 * locked by somebody else meanwhile, and are only read.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/minmax.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "event_capture.h"
#include "event_recorder.h"
#include "kernel_compat.h"
#include "segment_hooks.h"
#include "segment_options.h"
#include "source_status.h"

/* ---- the segment ------------------------------------------------------ */

/*
 * Where in @skb does the TCP header begin? Negative where there is none: another
 * protocol, a later fragment, or headers that do not add up.
 */
static int tcp_offset_ipv4(const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (iph->protocol != IPPROTO_TCP || iph->ihl < 5 ||
	    iph->frag_off & htons(IP_OFFSET))
		return -1;
	return skb_network_offset(skb) + iph->ihl * 4;
}

static int tcp_offset_ipv6(const struct sk_buff *skb)
{
	unsigned short fragment_offset;
	unsigned int offset = 0;

	if (ipv6_find_hdr(skb, &offset, IPPROTO_TCP, &fragment_offset, NULL) < 0 ||
	    fragment_offset)
		return -1;
	return offset;
}

static void read_ends(struct tcp_event *seen, const struct sk_buff *skb,
		      const struct tcphdr *th, bool outgoing)
{
	struct in6_addr *source = outgoing ? &seen->local_addr :
					     &seen->remote_addr;
	struct in6_addr *dest = outgoing ? &seen->remote_addr :
					   &seen->local_addr;

	seen->local_port = ntohs(outgoing ? th->source : th->dest);
	seen->remote_port = ntohs(outgoing ? th->dest : th->source);
	if (seen->family == 6) {
		*source = ipv6_hdr(skb)->saddr;
		*dest = ipv6_hdr(skb)->daddr;
	} else {
		ipv6_addr_set_v4mapped(ip_hdr(skb)->saddr, source);
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, dest);
	}
}

static void read_header(struct tcp_event *seen, const struct tcphdr *th)
{
	seen->seg_seq = ntohl(th->seq);
	seen->seg_ack = ntohl(th->ack_seq);
	seen->seg_window = ntohs(th->window);
	seen->seg_flags = tcp_flag_byte(th);
	seen->urgent_pointer = ntohs(th->urg_ptr);
	seen->header_words = th->doff;
}

static void read_options(struct tcp_event *seen, const struct sk_buff *skb,
			 int offset, unsigned int length)
{
	u8 buffer[SEGMENT_OPTIONS_MAX];
	const u8 *options;

	options = skb_header_pointer(skb, offset, length, buffer);
	if (options)
		segment_options_read(seen, options, length);
}

/**
 * segment_read - what a packet says of itself
 * @seen: a zeroed record of the caller's own; gets family, ends, the segment and
 *	  the detail of kind segment
 * @skb: the packet, its network header linear as IP has left it, the rest of it
 *	 however it likes
 * @family: 4 or 6
 * @outgoing: whether we send it
 *
 * A data offset that lies is told as it is. Then what can be options ends with the
 * packet, and what is left behind them, maybe nothing, is the payload.
 *
 * Context: any; @skb is neither written nor pulled.
 * Return: whether it is a segment, with the 20 bytes that every TCP header has.
 */
bool segment_read(struct tcp_event *seen, const struct sk_buff *skb, u8 family,
		  bool outgoing)
{
	const unsigned int least = sizeof(struct tcphdr);
	unsigned int rest, options;
	const struct tcphdr *th;
	struct tcphdr buffer;
	int offset;

	offset = family == 6 ? tcp_offset_ipv6(skb) : tcp_offset_ipv4(skb);
	if (offset < 0)
		return false;
	th = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
	if (!th)
		return false;
	seen->family = family;
	read_ends(seen, skb, th, outgoing);
	read_header(seen, th);
	rest = skb->len - offset - least;
	options = min(rest, max(__tcp_hdrlen(th), least) - least);
	seen->seg_len = rest - options;
	if (outgoing)
		seen->segment_flags = EVENT_SEGMENT_outgoing;
	else if (!skb_csum_unnecessary(skb))
		seen->segment_flags = EVENT_SEGMENT_unverified;
	if (options)
		read_options(seen, skb, offset + least, options);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(segment_read);

/* ---- who -------------------------------------------------------------- */

/*
 * Is it a connection? Not a listener, not a raw socket that writes its own
 * headers, not the kernel's control socket, which is a raw one; nor a cookie's request,
 * which no queue has.
 */
static bool is_connection(const struct sock *sk)
{
	if (!sk)
		return false;
	/* One that BPF made of a cookie of its own is filled in later, by TCP. */
	if (sk->sk_state == TCP_NEW_SYN_RECV)
		return !inet_reqsk(sk)->syncookie;
	if (!sk_fullsock(sk))
		return true;
	return sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP &&
	       sk->sk_state != TCP_LISTEN;
}

/* The index of the VRF to which @dev belongs, 0 if to none. */
static int vrf_of(const struct net_device *dev)
{
	return netif_is_l3_slave(dev) ? l3mdev_master_ifindex_rcu(dev) : 0;
}

/* The table's entry for the segment's ends, with a reference, or NULL. */
static struct sock *find_ipv4(const struct tcp_event *seen,
			      const struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	bool incoming = state->hook == NF_INET_LOCAL_IN;

	return __inet_lookup_established(state->net,
					 state->net->ipv4.tcp_death_row.hashinfo,
					 seen->remote_addr.s6_addr32[3],
					 htons(seen->remote_port),
					 seen->local_addr.s6_addr32[3],
					 seen->local_port,
					 incoming ? inet_iif(skb) :
						    state->out->ifindex,
					 incoming ? inet_sdif(skb) :
						    vrf_of(state->out));
}

#if IS_ENABLED(CONFIG_IPV6)
static struct sock *find_ipv6(const struct tcp_event *seen,
			      const struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	bool incoming = state->hook == NF_INET_LOCAL_IN;

	return __inet6_lookup_established(state->net,
					  state->net->ipv4.tcp_death_row.hashinfo,
					  &seen->remote_addr,
					  htons(seen->remote_port),
					  &seen->local_addr,
					  seen->local_port,
					  incoming ? inet6_iif(skb) :
						     state->out->ifindex,
					  incoming ? inet6_sdif(skb) :
						     vrf_of(state->out));
}
#else
static struct sock *find_ipv6(const struct tcp_event *seen,
			      const struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return NULL;
}
#endif

/* ---- over a VRF ------------------------------------------------------- */

static bool is_local_ipv4(const struct sk_buff *skb, const struct net_device *vrf)
{
	return inet_addr_type_dev_table(dev_net(vrf), vrf,
					ip_hdr(skb)->daddr) == RTN_LOCAL;
}

#if IS_ENABLED(CONFIG_IPV6)
static bool is_local_ipv6(const struct sk_buff *skb, const struct net_device *vrf)
{
	return ipv6_chk_addr(dev_net(vrf), &ipv6_hdr(skb)->daddr, vrf, 0);
}
#else
static bool is_local_ipv6(const struct sk_buff *skb, const struct net_device *vrf)
{
	return false;
}
#endif

/*
 * Will LOCAL_OUT see @skb once more? A VRF whose queueing discipline is the default
 * shows it as leaving through the VRF's device, its route leading to another one;
 * any other VRF, and a route from outside that leads into the VRF, has the route
 * lead to the VRF's device, which sends it on unless it is for this host (vrf.c:
 * vrf_ip_out_direct(), vrf_ip_out_redirect(), vrf_process_v4_outbound()).
 */
static bool is_seen_again(const struct sk_buff *skb, u8 family,
			  const struct nf_hook_state *state)
{
	const struct net_device *next = skb_dst(skb)->dev;

	if (!netif_is_l3_master(next))
		return netif_is_l3_master(state->out);
	return family == 6 ? !is_local_ipv6(skb, next) :
			     !is_local_ipv4(skb, next);
}

/* ---- the record ------------------------------------------------------- */

static void record_of_sock(const struct tcp_event *seen, const struct sock *sk)
{
	struct tcp_event *event = event_begin_captured(EVENT_KIND_segment, sk);

	if (!event)
		return;
	event_copy_ends(event, seen);
	event_copy_segment(event, seen);
	memcpy(event->detail, seen->detail, sizeof(event->detail));
	event_end(event);
}

static void record_of_nobody(struct tcp_event *seen, const struct net *net)
{
	struct tcp_event *event;

	seen->netns = net->ns.inum;
	seen->state = TCP_CLOSE;
	event = event_begin_like(EVENT_KIND_segment, seen);
	if (!event)
		return;
	memcpy(event->detail, seen->detail, sizeof(event->detail));
	event_end(event);
}

static void record_segment(struct sk_buff *skb, u8 family,
			   const struct nf_hook_state *state)
{
	bool outgoing = state->hook == NF_INET_LOCAL_OUT;
	struct tcp_event seen = {};
	struct sock *sk;

	if (!segment_read(&seen, skb, family, outgoing))
		return;
	if (outgoing && is_seen_again(skb, family, state))
		return;
	if (is_connection(skb->sk)) {
		record_of_sock(&seen, skb->sk);
		return;
	}
	sk = family == 6 ? find_ipv6(&seen, skb, state) :
			   find_ipv4(&seen, skb, state);
	if (sk) {
		record_of_sock(&seen, sk);
		sock_gen_put(sk);
	} else {
		record_of_nobody(&seen, state->net);
	}
}

static unsigned int see_ipv4(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	record_segment(skb, 4, state);
	return NF_ACCEPT;
}

static unsigned int see_ipv6(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	record_segment(skb, 6, state);
	return NF_ACCEPT;
}

/* ---- the hooks -------------------------------------------------------- */

static const struct nf_hook_ops hooks[] = {
	{
		.hook = see_ipv4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_FIRST,
	},
	{
		.hook = see_ipv4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = see_ipv6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_FIRST,
	},
	{
		.hook = see_ipv6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_LAST,
	},
};

/* What `stats` calls them. */
static const char * const hook_names[ARRAY_SIZE(hooks)] = {
	"ipv4-in", "ipv4-out", "ipv6-in", "ipv6-out",
};

/**
 * struct segment_net - our part of a network namespace
 * @hooked: the hooks are registered in it
 */
struct segment_net {
	bool hooked;
};

static unsigned int segment_net_id;
static atomic_t nets_missed = ATOMIC_INIT(0);	/* namespaces without hooks */
static bool attached;
static int attach_error;

/*
 * A namespace in which the hooks find no room is not refused for that: it lives,
 * unseen, and `stats` counts it.
 */
static int enter_net(struct net *net)
{
	struct segment_net *ours = net_generic(net, segment_net_id);

	ours->hooked = !nf_register_net_hooks(net, hooks, ARRAY_SIZE(hooks));
	if (!ours->hooked)
		atomic_inc(&nets_missed);
	return 0;
}

static void leave_net(struct net *net)
{
	struct segment_net *ours = net_generic(net, segment_net_id);

	if (ours->hooked)
		nf_unregister_net_hooks(net, hooks, ARRAY_SIZE(hooks));
	else
		atomic_dec(&nets_missed);
}

static struct pernet_operations segment_net_ops = {
	.init = enter_net,
	.exit = leave_net,
	.id = &segment_net_id,
	.size = sizeof(struct segment_net),
};

static void attach_hooks(void)
{
	attach_error = register_pernet_subsys(&segment_net_ops);
	attached = !attach_error;
	if (attach_error)
		pr_warn("netfilter: cannot attach (error %d); no segment events\n",
			attach_error);
}

/* A hook may still be running on another CPU until a grace period has passed. */
static void detach_hooks(void)
{
	unregister_pernet_subsys(&segment_net_ops);
	synchronize_rcu();
	attached = false;
}

/**
 * segment_hooks_apply - attach what is wanted, detach what is not
 * @kinds: the kinds wanted, the bit of each is its number
 *
 * Attached means in every network namespace there is, and in each that is made
 * from then on. When it returns, no detached hook is running any more.
 *
 * Context: may sleep; one caller at a time.
 */
void segment_hooks_apply(u64 kinds)
{
	bool wanted = kinds & EVENT_KIND_BIT(segment);

	if (wanted && !attached)
		attach_hooks();
	else if (!wanted && attached)
		detach_hooks();
}

static void show_status(struct seq_file *file)
{
	int missed = atomic_read(&nets_missed);

	source_status_show(file, attached, attach_error);
	if (attached && missed)
		seq_printf(file, ", but not in %d namespaces", missed);
	seq_putc(file, '\n');
}

/**
 * segment_hooks_show - one line for each hook, for `stats`
 * @file: where to
 *
 * Context: may sleep; not beside segment_hooks_apply().
 */
void segment_hooks_show(struct seq_file *file)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		seq_printf(file, "source segment netfilter:%s ", hook_names[i]);
		show_status(file);
	}
}
