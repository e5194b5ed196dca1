// SPDX-License-Identifier: GPL-2.0
/*
 * A congestion control by the name of one of ours, for a selftest: whoever loads
 * renoscope after this finds that name taken. It decides as Linux Reno does.
 */
#include <linux/module.h>
#include <net/tcp.h>

static struct tcp_congestion_ops name_taker __read_mostly = {
	.name		= "reno_textbook",
	.owner		= THIS_MODULE,
	.flags		= TCP_CONG_NON_RESTRICTED,
	.ssthresh	= tcp_reno_ssthresh,
	.cong_avoid	= tcp_reno_cong_avoid,
	.undo_cwnd	= tcp_reno_undo_cwnd,
};

static int __init name_taker_init(void)
{
	return tcp_register_congestion_control(&name_taker);
}

static void __exit name_taker_exit(void)
{
	tcp_unregister_congestion_control(&name_taker);
}

module_init(name_taker_init);
module_exit(name_taker_exit);

MODULE_DESCRIPTION("Selftest: takes a congestion control's name");
MODULE_LICENSE("GPL");
