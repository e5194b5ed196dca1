/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of a TCP header, out of its bytes. Pure: bytes in, fields out.
 */
#ifndef RENOSCOPE_SEGMENT_OPTIONS_H
#define RENOSCOPE_SEGMENT_OPTIONS_H

#include <linux/types.h>

#include "event_schema.h"

/* What a data offset of 15 words leaves for options (RFC 9293 section 3.1). */
#define SEGMENT_OPTIONS_MAX	40

void segment_options_read(struct tcp_event *event, const u8 *options,
			  unsigned int length);

#endif /* RENOSCOPE_SEGMENT_OPTIONS_H */
