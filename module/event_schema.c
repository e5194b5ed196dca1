// SPDX-License-Identifier: GPL-2.0
/*
 * The schema as data: names, units and places of everything in a record.
 *
 * Nothing here is hot. The tables serve the `schema` file in debugfs, the names
 * in the text trace, the parser of the `events` parameter, and KUnit.
 */
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/tcp.h>
#include <net/tcp_states.h>

#include "event_schema.h"
#include "kernel_compat.h"

/* A number of its own, so that a change of a field that changes it fails the build. */
#define RECORD_BYTES	192

static_assert(sizeof(struct tcp_event) == RECORD_BYTES);
static_assert(offsetof(struct tcp_event, detail) ==
	      RECORD_BYTES - EVENT_DETAIL_BYTES);

/* The members' sizes add up to the record's: there is no padding to leak. */
#define MEMBER_SIZE(type, name, unit, meaning)	+ sizeof(EVENT_TYPE_##type)
static_assert(0 EVENT_COMMON_FIELDS(MEMBER_SIZE) + EVENT_DETAIL_BYTES ==
	      sizeof(struct tcp_event));
#define DETAIL_FITS(FIELDS)	\
	static_assert(0 FIELDS(MEMBER_SIZE) <= EVENT_DETAIL_BYTES);
EVENT_DETAIL_LAYOUTS(DETAIL_FITS)

#define FIELD_ROW(type_, name_, unit_, meaning_) {			\
	.name = #name_,							\
	.type = #type_,							\
	.unit = #unit_,							\
	.meaning = meaning_,						\
	.offset = offsetof(struct tcp_event, name_),			\
	.size = sizeof(EVENT_TYPE_##type_),				\
},

static const struct event_field common_fields[] = {
	EVENT_COMMON_FIELDS(FIELD_ROW)
};

#define DETAIL_TABLE(FIELDS)	\
	static const struct event_field rows_of_##FIELDS[] = { FIELDS(FIELD_ROW) };
EVENT_LESSER_LAYOUTS(DETAIL_TABLE)
EVENT_DETAIL_LAYOUTS(DETAIL_TABLE)

#define DETAIL_GROUP(kind_, FIELDS) {					\
	.kind = EVENT_KIND_##kind_,					\
	.count = ARRAY_SIZE(rows_of_##FIELDS),				\
	.fields = rows_of_##FIELDS,					\
},

const struct event_field_group event_field_groups[] = {
	{
		.kind = EVENT_KIND_NONE,
		.count = ARRAY_SIZE(common_fields),
		.fields = common_fields,
	},
	EVENT_DETAILS(DETAIL_GROUP)
};
EXPORT_SYMBOL_IF_KUNIT(event_field_groups);

const unsigned int event_field_groups_count = ARRAY_SIZE(event_field_groups);
EXPORT_SYMBOL_IF_KUNIT(event_field_groups_count);

#define KIND_NAME(name, meaning)	[EVENT_KIND_##name] = #name,
static const char * const kind_names[EVENT_KIND_END] = {
	EVENT_KINDS(KIND_NAME)
};

#define KIND_MEANING(name, meaning)	[EVENT_KIND_##name] = meaning,
static const char * const kind_meanings[EVENT_KIND_END] = {
	EVENT_KINDS(KIND_MEANING)
};

/* RFC 9293's names for the states of include/net/tcp_states.h. */
static const char * const state_names[] = {
	[TCP_ESTABLISHED]	= "ESTABLISHED",
	[TCP_SYN_SENT]		= "SYN-SENT",
	[TCP_SYN_RECV]		= "SYN-RECEIVED",
	[TCP_FIN_WAIT1]		= "FIN-WAIT-1",
	[TCP_FIN_WAIT2]		= "FIN-WAIT-2",
	[TCP_TIME_WAIT]		= "TIME-WAIT",
	[TCP_CLOSE]		= "CLOSED",
	[TCP_CLOSE_WAIT]	= "CLOSE-WAIT",
	[TCP_LAST_ACK]		= "LAST-ACK",
	[TCP_LISTEN]		= "LISTEN",
	[TCP_CLOSING]		= "CLOSING",
};

/* The names of enum tcp_ca_state, include/uapi/linux/tcp.h. */
static const char * const ca_state_names[] = {
	[TCP_CA_Open]		= "Open",
	[TCP_CA_Disorder]	= "Disorder",
	[TCP_CA_CWR]		= "CWR",
	[TCP_CA_Recovery]	= "Recovery",
	[TCP_CA_Loss]		= "Loss",
};

/* The bits of the TCP header's flag byte, RFC 9293 section 3.1. */
static const char * const tcp_flag_names[] = {
	"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR",
};

#define SOCK_FLAG_NAME(name, bit, meaning)	[bit] = #name,
static const char * const sock_flag_names[] = {
	EVENT_SOCK_FLAGS(SOCK_FLAG_NAME)
};

#define SEGMENT_FLAG_NAME(name, bit, meaning)	[bit] = #name,
static const char * const segment_flag_names[] = {
	EVENT_SEGMENT_FLAGS(SEGMENT_FLAG_NAME)
};

#define WORD_NAME(unit, word, meaning)	#word,
#define WORD_NAMES(unit, WORDS)		\
	static const char * const unit##_names[] = { WORDS(WORD_NAME) };
EVENT_WORD_LISTS(WORD_NAMES)

static const char *name_in(const char * const *names, size_t count,
			   unsigned int number)
{
	if (number >= count || !names[number])
		return "unknown";
	return names[number];
}

/**
 * event_kind_name - the word for a kind
 * @kind: an enum event_kind, or any number
 *
 * Context: any.
 * Return: its name, "unknown" for a number that is no kind.
 */
const char *event_kind_name(unsigned int kind)
{
	return name_in(kind_names, ARRAY_SIZE(kind_names), kind);
}
EXPORT_SYMBOL_IF_KUNIT(event_kind_name);

/**
 * event_state_name - RFC 9293's name of a TCP state
 * @state: a number of include/net/tcp_states.h
 *
 * Context: any.
 * Return: its name, "unknown" for any other number.
 */
const char *event_state_name(unsigned int state)
{
	return name_in(state_names, ARRAY_SIZE(state_names), state);
}
EXPORT_SYMBOL_IF_KUNIT(event_state_name);

/**
 * event_ca_state_name - the kernel's name of a congestion avoidance state
 * @ca_state: an enum tcp_ca_state
 *
 * Context: any.
 * Return: its name, "unknown" for any other number.
 */
const char *event_ca_state_name(unsigned int ca_state)
{
	return name_in(ca_state_names, ARRAY_SIZE(ca_state_names), ca_state);
}
EXPORT_SYMBOL_IF_KUNIT(event_ca_state_name);

/**
 * event_tcp_flag_name - RFC 9293's name of a TCP header flag
 * @bit: its bit in the flag byte, 0 for FIN
 *
 * Context: any.
 * Return: its name, "unknown" for any bit above 7.
 */
const char *event_tcp_flag_name(unsigned int bit)
{
	return name_in(tcp_flag_names, ARRAY_SIZE(tcp_flag_names), bit);
}

/**
 * event_reset_reason_name - the kernel's word for why it sent a RST
 * @reason: an enum sk_rst_reason of the running kernel
 *
 * Context: any.
 * Return: its name, "unknown" where the kernel has none (before 6.10).
 */
const char *event_reset_reason_name(unsigned int reason)
{
	return compat_reset_reason_name(reason) ?: "unknown";
}

#define WORD_NAME_FUNCTION(unit, WORDS)					\
	const char *event_##unit##_name(unsigned int number)		\
	{								\
		return name_in(unit##_names, ARRAY_SIZE(unit##_names),	\
			       number);					\
	}								\
	EXPORT_SYMBOL_IF_KUNIT(event_##unit##_name);
EVENT_WORD_LISTS(WORD_NAME_FUNCTION)

/**
 * event_kind_by_name - the kind that a word names
 * @name: the word, not necessarily ended by a NUL
 * @length: its length in bytes
 *
 * Context: any.
 * Return: its enum event_kind, or -EINVAL if there is no such kind.
 */
int event_kind_by_name(const char *name, size_t length)
{
	unsigned int kind;

	for (kind = EVENT_KIND_NONE + 1; kind < EVENT_KIND_END; kind++) {
		if (strlen(kind_names[kind]) == length &&
		    !strncmp(kind_names[kind], name, length))
			return kind;
	}
	return -EINVAL;
}
EXPORT_SYMBOL_IF_KUNIT(event_kind_by_name);

static_assert(EVENT_KIND_END <= 64);
#define NAME_BYTES(name, meaning)	+ sizeof(#name)
static_assert(sizeof("0x0123456789abcdef") EVENT_KINDS(NAME_BYTES) <=
	      EVENT_KINDS_TEXT_MAX);

/**
 * event_kinds_print - write the names of kinds, separated by commas
 * @kinds: the bit of a kind is its number
 * @text: gets them with a NUL and no newline; "none" if there are none, and bits of
 *	  no kind as one number
 * @room: bytes at @text; with EVENT_KINDS_TEXT_MAX nothing is cut off
 *
 * Context: any.
 * Return: the text's length in bytes, the NUL not counted.
 */
size_t event_kinds_print(u64 kinds, char *text, size_t room)
{
	const char *separator = "";
	unsigned int kind;
	size_t length = 0;

	if (!kinds)
		return scnprintf(text, room, "none");
	for (kind = EVENT_KIND_NONE + 1; kind < EVENT_KIND_END; kind++) {
		if (!(kinds & BIT_ULL(kind)))
			continue;
		length += scnprintf(text + length, room - length, "%s%s",
				    separator, kind_names[kind]);
		separator = ",";
		kinds &= ~BIT_ULL(kind);
	}
	if (kinds)
		length += scnprintf(text + length, room - length, "%s0x%llx",
				    separator, kinds);
	return length;
}
EXPORT_SYMBOL_IF_KUNIT(event_kinds_print);

static void show_values(struct seq_file *file, const char *unit,
			const char * const *names, size_t count)
{
	size_t number;

	for (number = 0; number < count; number++)
		if (names[number])
			seq_printf(file, "value %s %zu %s\n", unit, number,
				   names[number]);
}

static void show_reset_reasons(struct seq_file *file)
{
	unsigned int reason;

	for (reason = 0; reason < COMPAT_RESET_REASONS; reason++)
		if (compat_reset_reason_name(reason))
			seq_printf(file, "value reset_reason %u %s\n", reason,
				   compat_reset_reason_name(reason));
}

static void show_group(struct seq_file *file,
		       const struct event_field_group *group)
{
	const char *scope = "all";
	unsigned int i;

	if (group->kind != EVENT_KIND_NONE)
		scope = event_kind_name(group->kind);
	for (i = 0; i < group->count; i++) {
		const struct event_field *field = &group->fields[i];

		seq_printf(file, "field %s %s %u %u %s %s %s\n", field->name,
			   field->type, field->offset, field->size,
			   field->unit, scope, field->meaning);
	}
}

/**
 * event_schema_show - print the schema for people and programs
 * @file: where to
 * @unused: not used; there so that this is a seq_file show function
 *
 * The form of each line stands in the first lines printed and in
 * Documentation/ABI/debugfs-renoscope.
 *
 * Context: process context, may sleep.
 * Return: 0.
 */
int event_schema_show(struct seq_file *file, void *unused)
{
	unsigned int i;

	seq_puts(file,
		 "# kind NUMBER NAME MEANING\n"
		 "# field NAME TYPE OFFSET SIZE UNIT KIND MEANING (KIND: all, or one that has it)\n"
		 "# value UNIT NUMBER NAME (of tcp_flags, sock_flags and segment_flags: NUMBER is the bit)\n");
	seq_printf(file, "version %u\n", EVENT_SCHEMA_VERSION);
	seq_printf(file, "record_bytes %zu\n", sizeof(struct tcp_event));
	seq_printf(file, "byte_order %s\n",
		   IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) ? "big" : "little");
	for (i = EVENT_KIND_NONE + 1; i < EVENT_KIND_END; i++)
		seq_printf(file, "kind %u %s %s\n", i, kind_names[i],
			   kind_meanings[i]);
	for (i = 0; i < event_field_groups_count; i++)
		show_group(file, &event_field_groups[i]);
	show_values(file, "state", state_names, ARRAY_SIZE(state_names));
	show_values(file, "ca_state", ca_state_names,
		    ARRAY_SIZE(ca_state_names));
	show_values(file, "tcp_flags", tcp_flag_names,
		    ARRAY_SIZE(tcp_flag_names));
	show_values(file, "sock_flags", sock_flag_names,
		    ARRAY_SIZE(sock_flag_names));
	show_values(file, "segment_flags", segment_flag_names,
		    ARRAY_SIZE(segment_flag_names));
#define SHOW_WORDS(unit, WORDS)	\
	show_values(file, #unit, unit##_names, ARRAY_SIZE(unit##_names));
	EVENT_WORD_LISTS(SHOW_WORDS)
#undef SHOW_WORDS
	show_reset_reasons(file);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(event_schema_show);
