// SPDX-License-Identifier: GPL-2.0
/*
 * The arithmetic of the SYN-ACK timer, and nothing else.
 *
 * A listener answers a SYN with a SYN-ACK and keeps the request half-open. If
 * the handshake's third segment does not come, the request's own timer sends
 * the SYN-ACK again: after 1 s, then 2 s later, 4 s, 8 s, ... doubling each
 * time up to the maximum RTO (RFC 6298 section 5.5), until tcp_synack_retries
 * timeouts have passed.
 *
 * Linux computes the wait as `timeout << num_timeout`, capped (reqsk_timeout() in
 * include/net/inet_connection_sock.h). Two paths send a SYN-ACK again and both pass
 * tcp:tcp_retransmit_synack before they count anything:
 *
 *  - the timer (reqsk_timer_handler() in net/ipv4/inet_connection_sock.c) then
 *    increments num_timeout and arms itself for the next wait;
 *  - a duplicate SYN from the peer (tcp_check_req() in
 *    net/ipv4/tcp_minisocks.c) leaves num_timeout alone and starts the wait
 *    that was running over again.
 */
#include <linux/minmax.h>

#include "kernel_compat.h"
#include "synack_backoff.h"

/**
 * synack_wait_us - the wait after a number of doublings
 * @first_wait_us: the request's first wait, in microseconds
 * @doublings: how often it has been doubled; any number is safe
 * @max_wait_us: the longest wait there is (TCP_RTO_MAX), in microseconds
 *
 * Context: any.
 * Return: the wait in microseconds, never above @max_wait_us.
 */
u32 synack_wait_us(u32 first_wait_us, unsigned int doublings, u32 max_wait_us)
{
	/* 32 doublings of one microsecond already pass any u32. */
	if (doublings >= 32)
		return first_wait_us ? max_wait_us : 0;
	return min_t(u64, (u64)first_wait_us << doublings, max_wait_us);
}
EXPORT_SYMBOL_IF_KUNIT(synack_wait_us);

/**
 * synack_wait_after_retransmit_us - the wait that a retransmit begins
 * @first_wait_us: the request's first wait, in microseconds
 * @num_timeout: request_sock's count as tcp:tcp_retransmit_synack sees it
 * @by_timer: the timer sent it; otherwise a duplicate SYN did
 * @max_wait_us: the longest wait there is (TCP_RTO_MAX), in microseconds
 *
 * Context: any.
 * Return: microseconds until the timer fires next.
 */
u32 synack_wait_after_retransmit_us(u32 first_wait_us, unsigned int num_timeout,
				    bool by_timer, u32 max_wait_us)
{
	return synack_wait_us(first_wait_us, num_timeout + by_timer,
			      max_wait_us);
}
EXPORT_SYMBOL_IF_KUNIT(synack_wait_after_retransmit_us);
