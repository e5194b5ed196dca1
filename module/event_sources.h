/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which kinds of events are recorded, and the places they come from.
 */
#ifndef RENOSCOPE_EVENT_SOURCES_H
#define RENOSCOPE_EVENT_SOURCES_H

struct seq_file;

int event_sources_init(void);
void event_sources_exit(void);
void event_sources_show(struct seq_file *file);

#endif /* RENOSCOPE_EVENT_SOURCES_H */
