/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own TCP tracepoints as sources of events.
 */
#ifndef RENOSCOPE_TRACEPOINT_PROBES_H
#define RENOSCOPE_TRACEPOINT_PROBES_H

#include <linux/types.h>

struct seq_file;

int tracepoint_probes_find(void);
void tracepoint_probes_apply(u64 kinds);
void tracepoint_probes_show(struct seq_file *file);

#endif /* RENOSCOPE_TRACEPOINT_PROBES_H */
