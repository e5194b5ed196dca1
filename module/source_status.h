/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `stats` says of a place that events come from.
 */
#ifndef RENOSCOPE_SOURCE_STATUS_H
#define RENOSCOPE_SOURCE_STATUS_H

#include <linux/types.h>

struct seq_file;

void source_status_show(struct seq_file *file, bool attached, int error);

#endif /* RENOSCOPE_SOURCE_STATUS_H */
