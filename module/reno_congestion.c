// SPDX-License-Identifier: GPL-2.0
/*
 * Reno, as Linux has it, under the name "renoscope".
 *
 * TCP's core calls an algorithm at three points, and the algorithm answers
 * with numbers of segments:
 *
 *	an ACK acknowledged new data	cong_avoid	grow cwnd
 *	a loss or an ECN mark		ssthresh	what to fall back to
 *	the loss was none after all	undo_cwnd	what to return to
 *
 *		   cwnd < ssthresh: slow start, +1 for each segment acknowledged
 *		   cwnd >= ssthresh: congestion avoidance, +1 for each cwnd
 *
 *		 ACK                      three duplicate ACKs
 *	slow start  ---> congestion  -----------------------> fast recovery
 *	    ^		 avoidance   <-----------------------	   |
 *	    |		     |		  recovered: cwnd = ssthresh |
 *	    +----------------+---------------------------------------+
 *		timeout: ssthresh = cwnd / 2, cwnd = 1
 *
 * (RFC 5681. ssthresh never falls below 2, section 3.1, equation 4.)
 *
 * The three functions are the ones the kernel exports from its own Reno
 * (net/ipv4/tcp_cong.c), so that this is Linux Reno and cannot drift from it.
 * All the rest belongs to the core and stays as it is: fast retransmit, RACK,
 * tail loss probes, PRR, F-RTO, the idle restart. cong_control is left empty
 * on purpose, as setting it would switch PRR off.
 *
 * Chosen with `sysctl net.ipv4.tcp_congestion_control=renoscope` or, for one
 * socket, setsockopt(TCP_CONGESTION). TCP_CONG_NON_RESTRICTED lets ordinary
 * users and other network namespaces do so; Reno harms nobody.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/tcp.h>

#include "kernel_compat.h"
#include "reno_congestion.h"

static struct tcp_congestion_ops renoscope_ops __read_mostly = {
	.name		= "renoscope",
	.owner		= THIS_MODULE,
	.flags		= TCP_CONG_NON_RESTRICTED,
	.ssthresh	= tcp_reno_ssthresh,
	.cong_avoid	= tcp_reno_cong_avoid,
	.undo_cwnd	= tcp_reno_undo_cwnd,
};

/**
 * reno_congestion_init - register the algorithm
 *
 * Context: module load, may sleep.
 * Return: 0, or -EEXIST if the name is taken.
 */
int reno_congestion_init(void)
{
	int err = tcp_register_congestion_control(&renoscope_ops);

	if (err)
		pr_err("cannot register congestion control '%s' (error %d)\n",
		       renoscope_ops.name, err);
	return err;
}

/**
 * reno_congestion_exit - take the algorithm back
 *
 * No socket uses it any more: each that does holds the module.
 *
 * Context: module unload, sleeps.
 */
void reno_congestion_exit(void)
{
	tcp_unregister_congestion_control(&renoscope_ops);
}

/**
 * reno_congestion_ops - the algorithm as TCP's core sees it, for tests
 *
 * Context: any.
 * Return: the operations of "renoscope".
 */
const struct tcp_congestion_ops *reno_congestion_ops(void)
{
	return &renoscope_ops;
}
EXPORT_SYMBOL_IF_KUNIT(reno_congestion_ops);
