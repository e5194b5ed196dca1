/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own TCP tracepoints as sources of events.
 */
#ifndef RENOSCOPE_TRACEPOINT_PROBES_H
#define RENOSCOPE_TRACEPOINT_PROBES_H

struct seq_file;

int tracepoint_probes_init(void);
void tracepoint_probes_exit(void);
void tracepoint_probes_show(struct seq_file *file);

#endif /* RENOSCOPE_TRACEPOINT_PROBES_H */
