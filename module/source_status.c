// SPDX-License-Identifier: GPL-2.0
/*
 * What `stats` says of a place that events come from, in the words that all four
 * families of places have in common: scripts read them
 * (Documentation/ABI/debugfs-renoscope).
 */
#include <linux/seq_file.h>

#include "source_status.h"

/**
 * source_status_show - whether a place is watched, or why not
 * @file: where to
 * @attached: it is
 * @error: why attaching failed last, 0 if it did not
 *
 * Context: may sleep.
 */
void source_status_show(struct seq_file *file, bool attached, int error)
{
	if (attached)
		seq_puts(file, "attached");
	else if (error)
		seq_printf(file, "missing: attaching failed with error %d",
			   error);
	else
		seq_puts(file, "off");
}
