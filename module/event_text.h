/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A record as one line of text.
 */
#ifndef RENOSCOPE_EVENT_TEXT_H
#define RENOSCOPE_EVENT_TEXT_H

#include "event_schema.h"

/* No line is longer, its newline and NUL included. */
#define EVENT_TEXT_MAX	1280

size_t event_text_line(const struct tcp_event *event, char *line);

#endif /* RENOSCOPE_EVENT_TEXT_H */
