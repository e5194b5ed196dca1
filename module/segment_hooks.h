/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Netfilter hooks: every segment, opt in.
 */
#ifndef RENOSCOPE_SEGMENT_HOOKS_H
#define RENOSCOPE_SEGMENT_HOOKS_H

#include <linux/types.h>

#include "event_schema.h"

struct seq_file;
struct sk_buff;

void segment_hooks_apply(u64 kinds);
void segment_hooks_show(struct seq_file *file);
bool segment_read(struct tcp_event *seen, const struct sk_buff *skb, u8 family,
		  bool outgoing);

#endif /* RENOSCOPE_SEGMENT_HOOKS_H */
