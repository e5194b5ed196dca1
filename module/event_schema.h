/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The schema: struct tcp_event and the table that describes it.
 *
 * Both are made from the lists in event_kinds.h and event_fields.h, so that a
 * field added there is in the record, in the `schema` file and in front of
 * KUnit at once.
 */
#ifndef RENOSCOPE_EVENT_SCHEMA_H
#define RENOSCOPE_EVENT_SCHEMA_H

#include <linux/bits.h>
#include <linux/in6.h>
#include <linux/sched.h>
#include <linux/types.h>

#include "event_fields.h"
#include "event_kinds.h"

struct seq_file;

/* Raised whenever a recording made before could be misread by the new list. */
#define EVENT_SCHEMA_VERSION	1

/* Sets of kinds are numbers of 64 bits: the bit of a kind is its number. */
#define EVENT_KIND_BIT(kind)	BIT_ULL(EVENT_KIND_##kind)
/* What a probe can see: no mark, which the recorder makes, and no lost (debugfs_files.c). */
#define EVENT_KINDS_PROBED	(GENMASK_ULL(EVENT_KIND_END - 1, 1) &	\
				 ~(EVENT_KIND_BIT(lost) | EVENT_KIND_BIT(mark)))
/* No list of kinds is longer, its NUL included. */
#define EVENT_KINDS_TEXT_MAX	512

/* A task's name, filled up with NULs. */
struct event_name {
	char text[TASK_COMM_LEN];
};

/* The C type behind each type word of event_fields.h. */
#define EVENT_TYPE_u8		u8
#define EVENT_TYPE_u16		u16
#define EVENT_TYPE_u32		u32
#define EVENT_TYPE_u64		u64
#define EVENT_TYPE_addr		struct in6_addr
#define EVENT_TYPE_text		struct event_name

#define EVENT_MEMBER(type, name, unit, meaning)	EVENT_TYPE_##type name;
#define EVENT_DETAIL_MEMBERS(FIELDS)	struct { FIELDS(EVENT_MEMBER) };

/*
 * One record, as it lies in the ring and in a recording.
 *
 * The members are those of event_fields.h, in that order. Multi-byte members
 * are in host order, ports and sequence numbers too.
 */
struct tcp_event {
	EVENT_COMMON_FIELDS(EVENT_MEMBER)
	union {
		EVENT_DETAIL_LAYOUTS(EVENT_DETAIL_MEMBERS)
		u8 detail[EVENT_DETAIL_BYTES];
	};
};

/**
 * struct event_field - one row of a field table
 * @name: the member's name
 * @type: its type word, see event_fields.h
 * @unit: what its numbers count, or which names they stand for
 * @meaning: one line for people
 * @offset: where it begins in struct tcp_event, in bytes
 * @size: how long it is, in bytes
 */
struct event_field {
	const char *name;
	const char *type;
	const char *unit;
	const char *meaning;
	u16 offset;
	u16 size;
};

/**
 * struct event_field_group - the fields that all kinds have, or one kind alone
 * @kind: that kind, EVENT_KIND_NONE for the fields of every record
 * @count: rows in @fields
 * @fields: the rows, in the order of their offsets
 */
struct event_field_group {
	enum event_kind kind;
	unsigned int count;
	const struct event_field *fields;
};

extern const struct event_field_group event_field_groups[];
extern const unsigned int event_field_groups_count;

/* event_refusal_name(number) and so on: the word for it, "unknown" for any other. */
#define EVENT_WORD_NAME_DECLARATION(unit, WORDS)	\
	const char *event_##unit##_name(unsigned int number);

const char *event_kind_name(unsigned int kind);
const char *event_state_name(unsigned int state);
const char *event_ca_state_name(unsigned int ca_state);
const char *event_tcp_flag_name(unsigned int bit);
const char *event_reset_reason_name(unsigned int reason);
EVENT_WORD_LISTS(EVENT_WORD_NAME_DECLARATION)
int event_kind_by_name(const char *name, size_t length);
size_t event_kinds_print(u64 kinds, char *text, size_t room);
int event_schema_show(struct seq_file *file, void *unused);

#endif /* RENOSCOPE_EVENT_SCHEMA_H */
