/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records of what our own congestion control says.
 */
#ifndef RENOSCOPE_CONGESTION_PROBES_H
#define RENOSCOPE_CONGESTION_PROBES_H

#include <linux/types.h>

struct seq_file;

void congestion_probes_apply(u64 kinds);
void congestion_probes_show(struct seq_file *file);

#endif /* RENOSCOPE_CONGESTION_PROBES_H */
