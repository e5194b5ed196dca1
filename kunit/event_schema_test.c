// SPDX-License-Identifier: GPL-2.0
/*
 * The schema: that the table tells the truth about the record, and that the
 * text made from it can be read by a program.
 *
 * A record is 192 bytes: the common fields, then the detail. Each byte of the
 * first part belongs to exactly one field; each kind's own fields lie in the
 * detail without a gap between them. Words that must not contain a space are
 * those which readers of the `schema` file split at spaces.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/ctype.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/tcp_states.h>

#include "event_ring.h"
#include "event_schema.h"
#include "kernel_compat.h"

#define RECORD_BYTES	192
#define DETAIL_BEGIN	(RECORD_BYTES - EVENT_DETAIL_BYTES)

#define for_each_group(group)						\
	for ((group) = event_field_groups;				\
	     (group) < event_field_groups + event_field_groups_count;	\
	     (group)++)

#define for_each_field(field, group)					\
	for ((field) = (group)->fields;					\
	     (field) < (group)->fields + (group)->count; (field)++)

static const struct event_field_group *common_group(void)
{
	return &event_field_groups[0];
}

/* ---- the table and the record -------------------------------------------- */

static void record_has_its_size(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(struct tcp_event), RECORD_BYTES);
	KUNIT_EXPECT_EQ(test, sizeof(struct tcp_event),
			sizeof(struct ring_record));
	KUNIT_EXPECT_EQ(test, offsetof(struct tcp_event, detail), DETAIL_BEGIN);
}

/* The ring writes these two itself, so they must lie where it thinks. */
static void ring_and_schema_agree(struct kunit *test)
{
	const struct event_field *fields = common_group()->fields;

	KUNIT_EXPECT_STREQ(test, fields[0].name, "serial");
	KUNIT_EXPECT_EQ(test, fields[0].offset,
			offsetof(struct ring_record, serial));
	KUNIT_EXPECT_STREQ(test, fields[1].name, "time_ns");
	KUNIT_EXPECT_EQ(test, fields[1].offset,
			offsetof(struct ring_record, time_ns));
}

static void common_group_comes_first_and_once(struct kunit *test)
{
	const struct event_field_group *group;

	KUNIT_ASSERT_GT(test, event_field_groups_count, 0);
	for_each_group(group)
		KUNIT_EXPECT_EQ(test, group->kind == EVENT_KIND_NONE,
				group == common_group());
}

static void every_kind_has_one_group(struct kunit *test)
{
	unsigned int groups[EVENT_KIND_END] = {};
	const struct event_field_group *group;
	unsigned int kind;

	for_each_group(group) {
		KUNIT_ASSERT_LT(test, group->kind, EVENT_KIND_END);
		groups[group->kind]++;
	}
	for (kind = EVENT_KIND_NONE; kind < EVENT_KIND_END; kind++)
		KUNIT_EXPECT_EQ_MSG(test, groups[kind], 1, "kind %u, %s", kind,
				    event_kind_name(kind));
}

static void fields_lie_inside_the_record(struct kunit *test)
{
	const struct event_field_group *group;
	const struct event_field *field;

	for_each_group(group)
		for_each_field(field, group)
			KUNIT_EXPECT_LE_MSG(test, field->offset + field->size,
					    RECORD_BYTES, "%s", field->name);
}

/* Each byte before the detail belongs to one common field, none behind it. */
static void common_fields_cover_their_part(struct kunit *test)
{
	const struct event_field *field, *owners[RECORD_BYTES] = {};
	unsigned int byte;

	for_each_field(field, common_group()) {
		for (byte = 0; byte < field->size; byte++) {
			unsigned int place = field->offset + byte;

			KUNIT_ASSERT_LT_MSG(test, place, DETAIL_BEGIN,
					    "%s reaches into the detail",
					    field->name);
			KUNIT_EXPECT_NULL_MSG(test, owners[place],
					      "%s and another at byte %u",
					      field->name, place);
			owners[place] = field;
		}
	}
	for (byte = 0; byte < DETAIL_BEGIN; byte++)
		KUNIT_EXPECT_NOT_NULL_MSG(test, owners[byte],
					  "nobody's byte %u", byte);
}

static void kinds_own_fields_fill_the_detail_from_its_start(struct kunit *test)
{
	const struct event_field_group *group;
	const struct event_field *field;

	for_each_group(group) {
		unsigned int expected = DETAIL_BEGIN;

		if (group == common_group())
			continue;
		for_each_field(field, group) {
			KUNIT_EXPECT_EQ_MSG(test, field->offset, expected,
					    "%s", field->name);
			expected = field->offset + field->size;
		}
		KUNIT_EXPECT_LE(test, expected, RECORD_BYTES);
	}
}

/*
 * Kinds that share a layout share it whole: same rows at the same places; but accepted
 * has only the first part of a state's. The union has each layout once, so what a kind
 * says of a byte cannot differ.
 */
static void expect_same_fields(struct kunit *test,
			       const struct event_field_group *group,
			       const struct event_field_group *other)
{
	unsigned int i;

	if (group->kind == EVENT_KIND_accepted)
		KUNIT_ASSERT_EQ(test, group->count + 1, other->count);
	else if (other->kind == EVENT_KIND_accepted)
		KUNIT_ASSERT_EQ(test, group->count, other->count + 1);
	else
		KUNIT_ASSERT_EQ(test, group->count, other->count);
	for (i = 0; i < min(group->count, other->count); i++) {
		KUNIT_EXPECT_STREQ(test, group->fields[i].name,
				   other->fields[i].name);
		KUNIT_EXPECT_EQ(test, group->fields[i].offset,
				other->fields[i].offset);
		KUNIT_EXPECT_EQ(test, group->fields[i].size,
				other->fields[i].size);
	}
}

static bool shares_a_field(const struct event_field_group *group,
			   const struct event_field_group *other)
{
	return group->count && other->count &&
	       !strcmp(group->fields[0].name, other->fields[0].name);
}

static void shared_details_are_shared_whole(struct kunit *test)
{
	const struct event_field_group *group, *other;
	unsigned int shared = 0;

	for_each_group(group) {
		for_each_group(other) {
			if (group == other || !shares_a_field(group, other))
				continue;
			expect_same_fields(test, group, other);
			shared++;
		}
	}
	/*
	 * Eight kinds of handshake, two of TIME-WAIT, five of Reno, each with the others,
	 * and an accepted connection with a state, which tells what it was besides.
	 */
	KUNIT_EXPECT_EQ(test, shared, 8 * 7 + 2 * 1 + 5 * 4 + 2 * 1);
}

static unsigned int size_of_type(const char *type)
{
	static const struct {
		const char *type;
		unsigned int size;
	} types[] = {
		{ "u8", 1 }, { "u16", 2 }, { "u32", 4 }, { "u64", 8 },
		{ "addr", 16 }, { "text", 16 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i].type, type))
			return types[i].size;
	return 0;
}

static void sizes_match_types(struct kunit *test)
{
	const struct event_field_group *group;
	const struct event_field *field;

	for_each_group(group) {
		for_each_field(field, group) {
			KUNIT_EXPECT_NE_MSG(test, field->size, 0, "%s",
					    field->name);
			KUNIT_EXPECT_EQ_MSG(test, field->size,
					    size_of_type(field->type),
					    "%s is a %s", field->name,
					    field->type);
		}
	}
}

/* Numbers are aligned, so that a program may map the record as a struct. */
static void numbers_are_aligned(struct kunit *test)
{
	const struct event_field_group *group;
	const struct event_field *field;

	for_each_group(group)
		for_each_field(field, group)
			KUNIT_EXPECT_EQ_MSG(test, field->offset %
					    min_t(u16, field->size, 8), 0, "%s",
					    field->name);
}

/* ---- the words ----------------------------------------------------------- */

static bool is_word(const char *text)
{
	if (!islower(*text))
		return false;
	while (*text && (islower(*text) || isdigit(*text) || *text == '_'))
		text++;
	return !*text;
}

static void words_can_be_split_at_spaces(struct kunit *test)
{
	const struct event_field_group *group;
	const struct event_field *field;
	unsigned int kind;

	for_each_group(group) {
		for_each_field(field, group) {
			KUNIT_EXPECT_TRUE_MSG(test, is_word(field->name),
					      "'%s'", field->name);
			KUNIT_EXPECT_TRUE_MSG(test, is_word(field->unit),
					      "'%s'", field->unit);
			KUNIT_EXPECT_GT_MSG(test, strlen(field->meaning), 0,
					    "%s", field->name);
			KUNIT_EXPECT_NULL_MSG(test,
					      strchr(field->meaning, '\n'),
					      "%s", field->name);
		}
	}
	for (kind = EVENT_KIND_NONE + 1; kind < EVENT_KIND_END; kind++)
		KUNIT_EXPECT_TRUE_MSG(test, is_word(event_kind_name(kind)),
				      "'%s'", event_kind_name(kind));
}

static unsigned int fields_named(const struct event_field_group *group,
				 const char *name)
{
	const struct event_field *field;
	unsigned int count = 0;

	for_each_field(field, group)
		if (!strcmp(field->name, name))
			count++;
	return count;
}

/* Whatever a record's kind, a name in it stands for one field. */
static void names_are_unique(struct kunit *test)
{
	const struct event_field_group *group;
	const struct event_field *field;

	for_each_group(group) {
		for_each_field(field, group) {
			unsigned int count = fields_named(group, field->name);

			if (group != common_group())
				count += fields_named(common_group(),
						      field->name);
			KUNIT_EXPECT_EQ_MSG(test, count, 1, "%s", field->name);
		}
	}
}

/* ---- kinds by name ------------------------------------------------------- */

static int kind_called(const char *name)
{
	return event_kind_by_name(name, strlen(name));
}

static void kind_names_lead_back_to_kinds(struct kunit *test)
{
	unsigned int kind;

	for (kind = EVENT_KIND_NONE + 1; kind < EVENT_KIND_END; kind++)
		KUNIT_EXPECT_EQ_MSG(test, kind_called(event_kind_name(kind)),
				    kind, "%s", event_kind_name(kind));
}

/* Recordings keep these numbers: one that changes makes them lie. */
static void kind_numbers_are_those_of_recordings(struct kunit *test)
{
	static const char * const recorded[] = {
		"lost", "state", "ack", "retransmit", "synack_retransmit",
		"ca_state", "reset_sent", "reset_received", "destroy",
		"syn", "request", "synack", "refused", "completed", "accepted",
		"request_end", "cookie_checked", "time_wait", "time_wait_end",
		"rto", "loss_probe", "probe", "zero_window", "error",
		"bad_checksum", "segment", "mark", "reno_phase", "reno_round",
		"reno_reduction", "reno_undo", "reno_restart",
	};
	unsigned int i;

	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(recorded), EVENT_KIND_END - 1);
	for (i = 0; i < ARRAY_SIZE(recorded); i++)
		KUNIT_EXPECT_EQ_MSG(test, kind_called(recorded[i]), i + 1, "%s",
				    recorded[i]);
}

static const char * const near_misses[] = {
	"", "a", "ac", "ackk", "ack ", " ack", "Ack", "ACK", "stat", "states",
	"retransmi", "retransmits", "synack_", "synack_retransmi",
	"synack_retransmit ", "synac", "sy", "syns", "reset", "reset_",
	"destroyed", "request_", "request_ends", "time", "time_wait_",
	"time-wait", "zero", "accept", "refuse", "marks", "segments", "all",
	"reno", "reno_", "reno_rounds", "phase",
	"none", "unknown", "1", "ack,state",
};

static void describe_miss(const char * const *miss, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "'%s'", *miss);
}

KUNIT_ARRAY_PARAM(miss, near_misses, describe_miss);

static void near_miss_is_no_kind(struct kunit *test)
{
	const char *miss = *(const char * const *)test->param_value;

	KUNIT_EXPECT_EQ(test, kind_called(miss), -EINVAL);
}

/* The word comes out of a list: what stands behind it does not matter. */
static void name_ends_where_its_length_says(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, event_kind_by_name("ack,state", 3),
			EVENT_KIND_ack);
	KUNIT_EXPECT_EQ(test, event_kind_by_name("ack", 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, event_kind_by_name("ack", 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, event_kind_by_name("ack\0", 4), -EINVAL);
}

/**
 * struct kinds_case - a set of kinds, and how people read it
 * @kinds: the bit of a kind is its number
 * @text: its names
 */
struct kinds_case {
	u64 kinds;
	const char *text;
};

static const struct kinds_case kinds_cases[] = {
	{ 0, "none" },
	{ EVENT_KIND_BIT(ack), "ack" },
	{ EVENT_KIND_BIT(mark) | EVENT_KIND_BIT(state), "state,mark" },
	{ BIT_ULL(0), "0x1" },
	{ BIT_ULL(63) | EVENT_KIND_BIT(rto), "rto,0x8000000000000000" },
};

static void describe_kinds(const struct kinds_case *kinds, char *name)
{
	strscpy(name, kinds->text, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kinds, kinds_cases, describe_kinds);

static void kinds_are_printed_by_name(struct kunit *test)
{
	const struct kinds_case *kinds = test->param_value;
	char text[EVENT_KINDS_TEXT_MAX];

	KUNIT_EXPECT_EQ(test, event_kinds_print(kinds->kinds, text, sizeof(text)),
			strlen(kinds->text));
	KUNIT_EXPECT_STREQ(test, text, kinds->text);
}

static void all_kinds_have_room(struct kunit *test)
{
	char text[EVENT_KINDS_TEXT_MAX];
	size_t length = event_kinds_print(U64_MAX, text, sizeof(text));

	KUNIT_EXPECT_LT(test, length, sizeof(text) - 1);
	KUNIT_EXPECT_EQ(test, strlen(text), length);
}

static void kinds_without_room_are_cut_off(struct kunit *test)
{
	char text[] = "0123456789";

	KUNIT_EXPECT_EQ(test, event_kinds_print(U64_MAX, text, 7), 6);
	KUNIT_EXPECT_STREQ(test, text, "lost,s");
	KUNIT_EXPECT_STREQ(test, text + 7, "789");
}

/* ---- names of numbers ---------------------------------------------------- */

static void numbers_without_a_name_are_unknown(struct kunit *test)
{
	static const unsigned int wild[] = { 255, 256, 1U << 31, UINT_MAX };
	unsigned int i;

	KUNIT_EXPECT_STREQ(test, event_kind_name(EVENT_KIND_NONE), "unknown");
	KUNIT_EXPECT_STREQ(test, event_kind_name(EVENT_KIND_END), "unknown");
	KUNIT_EXPECT_STREQ(test, event_state_name(0), "unknown");
	KUNIT_EXPECT_STREQ(test, event_state_name(TCP_MAX_STATES), "unknown");
	KUNIT_EXPECT_STREQ(test, event_ca_state_name(TCP_CA_Loss + 1),
			   "unknown");
	for (i = 0; i < ARRAY_SIZE(wild); i++) {
		KUNIT_EXPECT_STREQ(test, event_kind_name(wild[i]), "unknown");
		KUNIT_EXPECT_STREQ(test, event_state_name(wild[i]), "unknown");
		KUNIT_EXPECT_STREQ(test, event_ca_state_name(wild[i]),
				   "unknown");
	}
}

struct state_case {
	unsigned int state;
	const char *name;
};

/* RFC 9293 section 3.3.2, all eleven. */
static const struct state_case state_cases[] = {
	{ TCP_LISTEN, "LISTEN" },
	{ TCP_SYN_SENT, "SYN-SENT" },
	{ TCP_SYN_RECV, "SYN-RECEIVED" },
	{ TCP_ESTABLISHED, "ESTABLISHED" },
	{ TCP_FIN_WAIT1, "FIN-WAIT-1" },
	{ TCP_FIN_WAIT2, "FIN-WAIT-2" },
	{ TCP_CLOSE_WAIT, "CLOSE-WAIT" },
	{ TCP_CLOSING, "CLOSING" },
	{ TCP_LAST_ACK, "LAST-ACK" },
	{ TCP_TIME_WAIT, "TIME-WAIT" },
	{ TCP_CLOSE, "CLOSED" },
};

KUNIT_ARRAY_PARAM_DESC(state, state_cases, name);

static void state_has_its_rfc_name(struct kunit *test)
{
	const struct state_case *state = test->param_value;

	KUNIT_EXPECT_STREQ(test, event_state_name(state->state), state->name);
}

static void ca_states_have_the_kernels_names(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, event_ca_state_name(TCP_CA_Open), "Open");
	KUNIT_EXPECT_STREQ(test, event_ca_state_name(TCP_CA_Disorder),
			   "Disorder");
	KUNIT_EXPECT_STREQ(test, event_ca_state_name(TCP_CA_CWR), "CWR");
	KUNIT_EXPECT_STREQ(test, event_ca_state_name(TCP_CA_Recovery),
			   "Recovery");
	KUNIT_EXPECT_STREQ(test, event_ca_state_name(TCP_CA_Loss), "Loss");
}

/**
 * struct word_case - a word of event_fields.h
 * @unit: the list that it stands in
 * @number: the enum value made from it
 * @word: the word itself
 * @meaning: what it says to people
 * @name_of: the function that turns numbers of that list into words
 */
struct word_case {
	const char *unit;
	unsigned int number;
	const char *word;
	const char *meaning;
	const char *(*name_of)(unsigned int number);
};

#define WORD_CASE(unit_, word_, meaning_) {				\
	.unit = #unit_,							\
	.number = EVENT_##unit_##_##word_,				\
	.word = #word_,							\
	.meaning = meaning_,						\
	.name_of = event_##unit_##_name,				\
},
#define WORD_CASES(unit, WORDS)	WORDS(WORD_CASE)

static const struct word_case word_cases[] = {
	EVENT_WORD_LISTS(WORD_CASES)
};

static void describe_word(const struct word_case *word, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%s %s", word->unit, word->word);
}

KUNIT_ARRAY_PARAM(word, word_cases, describe_word);

static void number_of_a_word_leads_back_to_it(struct kunit *test)
{
	const struct word_case *word = test->param_value;

	KUNIT_EXPECT_STREQ(test, word->name_of(word->number), word->word);
	KUNIT_EXPECT_TRUE(test, is_word(word->word));
	KUNIT_EXPECT_GT(test, strlen(word->meaning), 0);
	KUNIT_EXPECT_NULL(test, strchr(word->meaning, '\n'));
}

/* Each list counts from 0 without gaps; behind its last word all is unknown. */
static void words_of_a_list_follow_each_other(struct kunit *test)
{
	const struct word_case *word;
	unsigned int expected = 0;

	for (word = word_cases; word < word_cases + ARRAY_SIZE(word_cases);
	     word++) {
		bool is_last = word == &word_cases[ARRAY_SIZE(word_cases) - 1] ||
			       strcmp(word->unit, word[1].unit);

		KUNIT_EXPECT_EQ_MSG(test, word->number, expected, "%s %s",
				    word->unit, word->word);
		expected = is_last ? 0 : expected + 1;
		if (!is_last)
			continue;
		KUNIT_EXPECT_STREQ(test, word->name_of(word->number + 1),
				   "unknown");
		KUNIT_EXPECT_STREQ(test, word->name_of(UINT_MAX), "unknown");
	}
}

/* Recordings keep these, too: a list's first word but for `none`, and its last ones. */
static void word_numbers_are_those_of_recordings(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, event_retransmit_cause_name(0), "unknown");
	KUNIT_EXPECT_STREQ(test, event_retransmit_cause_name(6), "zero_window");
	KUNIT_EXPECT_STREQ(test, event_synack_type_name(0), "normal");
	KUNIT_EXPECT_STREQ(test, event_synack_type_name(2), "cookie");
	KUNIT_EXPECT_STREQ(test, event_refusal_name(1), "accept_queue_full");
	KUNIT_EXPECT_STREQ(test, event_refusal_name(4), "other");
	KUNIT_EXPECT_STREQ(test, event_request_ending_name(1), "expired");
	KUNIT_EXPECT_STREQ(test, event_request_ending_name(5), "other");
	KUNIT_EXPECT_STREQ(test, event_request_ending_name(6), "unsent");
	KUNIT_EXPECT_STREQ(test, event_request_ending_name(7), "joined");
	KUNIT_EXPECT_STREQ(test, event_cookie_verdict_name(1), "valid");
	KUNIT_EXPECT_STREQ(test, event_cookie_verdict_name(3), "valid_refused");
	KUNIT_EXPECT_STREQ(test, event_time_wait_step_name(0), "started");
	KUNIT_EXPECT_STREQ(test, event_time_wait_step_name(3), "overflow");
	KUNIT_EXPECT_STREQ(test, event_time_wait_ending_name(1), "timer");
	KUNIT_EXPECT_STREQ(test, event_time_wait_ending_name(5), "other");
	KUNIT_EXPECT_STREQ(test, event_probe_cause_name(0), "zero_window");
	KUNIT_EXPECT_STREQ(test, event_probe_cause_name(2), "other");
	KUNIT_EXPECT_STREQ(test, event_window_side_name(0), "peer");
	KUNIT_EXPECT_STREQ(test, event_window_side_name(1), "own");
	KUNIT_EXPECT_STREQ(test, event_window_change_name(0), "closed");
	KUNIT_EXPECT_STREQ(test, event_window_change_name(1), "opened");
	KUNIT_EXPECT_STREQ(test, event_mark_cause_name(0), "events");
	KUNIT_EXPECT_STREQ(test, event_mark_cause_name(3), "thawed");
	KUNIT_EXPECT_STREQ(test, event_mark_cause_name(4), "begun");
	KUNIT_EXPECT_STREQ(test, event_reno_phase_name(1), "slow_start");
	KUNIT_EXPECT_STREQ(test, event_reno_phase_name(3), "avoidance");
	KUNIT_EXPECT_STREQ(test, event_reno_cause_name(1), "begin");
	KUNIT_EXPECT_STREQ(test, event_reno_cause_name(12), "undo");
}

/* A field with a list's unit must be able to hold each of its numbers. */
static bool is_unit_of_a_field(const char *unit)
{
	const struct event_field_group *group;
	const struct event_field *field;

	for_each_group(group)
		for_each_field(field, group)
			if (!strcmp(field->unit, unit) &&
			    !strcmp(field->type, "u8"))
				return true;
	return false;
}

static void every_list_of_words_has_a_field(struct kunit *test)
{
#define EXPECT_FIELD(unit, WORDS)	\
	KUNIT_EXPECT_TRUE_MSG(test, is_unit_of_a_field(#unit), #unit);
	EVENT_WORD_LISTS(EXPECT_FIELD)
	KUNIT_EXPECT_TRUE(test, is_unit_of_a_field("segment_flags"));
	KUNIT_EXPECT_TRUE(test, is_unit_of_a_field("sock_flags"));
}

/* Flags are bits, each with its own. */
static void flags_have_a_bit_each(struct kunit *test)
{
	unsigned int segment = 0, sock = 0;

#define EXPECT_SEGMENT_BIT(name, bit, meaning)				\
	KUNIT_EXPECT_EQ(test, EVENT_SEGMENT_##name, BIT(bit));		\
	KUNIT_EXPECT_FALSE_MSG(test, segment & BIT(bit), #name);	\
	segment |= BIT(bit);
	EVENT_SEGMENT_FLAGS(EXPECT_SEGMENT_BIT)
#define EXPECT_SOCK_BIT(name, bit, meaning)				\
	KUNIT_EXPECT_EQ(test, EVENT_SOCK_##name, BIT(bit));		\
	KUNIT_EXPECT_FALSE_MSG(test, sock & BIT(bit), #name);		\
	sock |= BIT(bit);
	EVENT_SOCK_FLAGS(EXPECT_SOCK_BIT)
	KUNIT_EXPECT_LE(test, segment, U8_MAX);
	KUNIT_EXPECT_LE(test, sock, U8_MAX);
}

/* ---- the text of the schema file ----------------------------------------- */

#define SCHEMA_TEXT_MAX	SZ_64K
#define SCHEMA_LINE_MAX	512

/* What `cat schema` prints. */
static const char *schema_text(struct kunit *test)
{
	struct seq_file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, file);
	file->buf = kunit_kzalloc(test, SCHEMA_TEXT_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, file->buf);
	file->size = SCHEMA_TEXT_MAX - 1;
	KUNIT_ASSERT_EQ(test, event_schema_show(file, NULL), 0);
	KUNIT_ASSERT_FALSE(test, seq_has_overflowed(file));
	return file->buf;
}

static unsigned int lines_that_begin_with(const char *text, const char *prefix)
{
	unsigned int count = 0;

	while (*text) {
		count += str_has_prefix(text, prefix) > 0;
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return count;
}

static __printf(3, 4) void expect_line(struct kunit *test, const char *text,
				       const char *format, ...)
{
	char *line = kunit_kmalloc(test, SCHEMA_LINE_MAX, GFP_KERNEL);
	va_list arguments;

	KUNIT_ASSERT_NOT_NULL(test, line);
	va_start(arguments, format);
	vsnprintf(line, SCHEMA_LINE_MAX, format, arguments);
	va_end(arguments);
	KUNIT_EXPECT_EQ_MSG(test, lines_that_begin_with(text, line), 1, "%s",
			    line);
}

static void schema_begins_with_what_it_is(struct kunit *test)
{
	const char *text = schema_text(test);

	expect_line(test, text, "version %u\n", EVENT_SCHEMA_VERSION);
	expect_line(test, text, "record_bytes %u\n", RECORD_BYTES);
	expect_line(test, text, "byte_order %s\n",
		    IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) ? "big" : "little");
}

#define KIND_MEANING(name, meaning)	[EVENT_KIND_##name] = meaning,

static const char * const kind_meanings[] = {
	EVENT_KINDS(KIND_MEANING)
};

static void every_kind_has_a_line(struct kunit *test)
{
	const char *text = schema_text(test);
	unsigned int kind;

	for (kind = EVENT_KIND_NONE + 1; kind < EVENT_KIND_END; kind++)
		expect_line(test, text, "kind %u %s %s\n", kind,
			    event_kind_name(kind), kind_meanings[kind]);
	KUNIT_EXPECT_EQ(test, lines_that_begin_with(text, "kind "),
			EVENT_KIND_END - 1);
}

static const char *scope_of(const struct event_field_group *group)
{
	return group == common_group() ? "all" : event_kind_name(group->kind);
}

static void every_field_has_a_line(struct kunit *test)
{
	const char *text = schema_text(test);
	const struct event_field_group *group;
	const struct event_field *field;
	unsigned int count = 0;

	for_each_group(group) {
		for_each_field(field, group) {
			expect_line(test, text, "field %s %s %u %u %s %s %s\n",
				    field->name, field->type, field->offset,
				    field->size, field->unit, scope_of(group),
				    field->meaning);
			count++;
		}
	}
	KUNIT_EXPECT_EQ(test, lines_that_begin_with(text, "field "), count);
}

/* A number with a name has a line that says so; "unknown" has none. */
static unsigned int expect_values(struct kunit *test, const char *text,
				  const char *unit,
				  const char *(*name_of)(unsigned int number))
{
	unsigned int number, count = 0;

	for (number = 0; number <= U8_MAX; number++) {
		const char *name = name_of(number);

		if (!strcmp(name, "unknown"))
			continue;
		expect_line(test, text, "value %s %u %s\n", unit, number, name);
		count++;
	}
	return count;
}

/* RFC 9293 section 3.1 and RFC 3168, from the lowest bit. */
static const char * const tcp_flag_names[] = {
	"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR",
};

static const char *tcp_flag_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(tcp_flag_names) ? tcp_flag_names[bit] :
						  "unknown";
}

#define SOCK_FLAG_NAME(name, bit, meaning)	[bit] = #name,

static const char * const sock_flag_names[] = {
	EVENT_SOCK_FLAGS(SOCK_FLAG_NAME)
};

static const char *sock_flag_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(sock_flag_names) && sock_flag_names[bit] ?
	       sock_flag_names[bit] : "unknown";
}

#define SEGMENT_FLAG_NAME(name, bit, meaning)	[bit] = #name,

static const char * const segment_flag_names[] = {
	EVENT_SEGMENT_FLAGS(SEGMENT_FLAG_NAME)
};

static const char *segment_flag_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(segment_flag_names) &&
	       segment_flag_names[bit] ? segment_flag_names[bit] : "unknown";
}

static const char *reset_reason_name(unsigned int reason)
{
	return compat_reset_reason_name(reason) ?: "unknown";
}

/* What the text says of a list of words, counted. */
#define EXPECT_WORDS(unit, WORDS)	\
	+ expect_values(test, text, #unit, event_##unit##_name)

static void every_value_has_a_line(struct kunit *test)
{
	const char *text = schema_text(test);
	unsigned int count;

	count = expect_values(test, text, "state", event_state_name);
	count += expect_values(test, text, "ca_state", event_ca_state_name);
	count += expect_values(test, text, "tcp_flags", tcp_flag_name);
	count += expect_values(test, text, "sock_flags", sock_flag_name);
	count += expect_values(test, text, "segment_flags", segment_flag_name);
	count += 0 EVENT_WORD_LISTS(EXPECT_WORDS);
	count += expect_values(test, text, "reset_reason", reset_reason_name);
	/* here "unknown" is a word of its list, not the lack of one */
	expect_line(test, text, "value retransmit_cause 0 unknown\n");
	count++;
	KUNIT_EXPECT_EQ(test, lines_that_begin_with(text, "value "), count);
}

/* A reader that knows these beginnings has understood every line. */
static void there_are_no_other_lines(struct kunit *test)
{
	static const char * const known[] = {
		"# ", "version ", "record_bytes ", "byte_order ", "kind ",
		"field ", "value ",
	};
	const char *text = schema_text(test);
	unsigned int understood = 0, lines = 0, i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		understood += lines_that_begin_with(text, known[i]);
	while ((text = strchr(text, '\n'))) {
		text++;
		lines++;
	}
	KUNIT_EXPECT_GT(test, lines, 0);
	KUNIT_EXPECT_EQ(test, understood, lines);
}

static struct kunit_case event_schema_cases[] = {
	KUNIT_CASE(record_has_its_size),
	KUNIT_CASE(ring_and_schema_agree),
	KUNIT_CASE(common_group_comes_first_and_once),
	KUNIT_CASE(every_kind_has_one_group),
	KUNIT_CASE(fields_lie_inside_the_record),
	KUNIT_CASE(common_fields_cover_their_part),
	KUNIT_CASE(kinds_own_fields_fill_the_detail_from_its_start),
	KUNIT_CASE(shared_details_are_shared_whole),
	KUNIT_CASE(sizes_match_types),
	KUNIT_CASE(numbers_are_aligned),

	KUNIT_CASE(words_can_be_split_at_spaces),
	KUNIT_CASE(names_are_unique),
	KUNIT_CASE(kind_names_lead_back_to_kinds),
	KUNIT_CASE(kind_numbers_are_those_of_recordings),
	KUNIT_CASE_PARAM(near_miss_is_no_kind, miss_gen_params),
	KUNIT_CASE(name_ends_where_its_length_says),
	KUNIT_CASE_PARAM(kinds_are_printed_by_name, kinds_gen_params),
	KUNIT_CASE(all_kinds_have_room),
	KUNIT_CASE(kinds_without_room_are_cut_off),
	KUNIT_CASE(numbers_without_a_name_are_unknown),
	KUNIT_CASE_PARAM(state_has_its_rfc_name, state_gen_params),
	KUNIT_CASE(ca_states_have_the_kernels_names),
	KUNIT_CASE_PARAM(number_of_a_word_leads_back_to_it, word_gen_params),
	KUNIT_CASE(words_of_a_list_follow_each_other),
	KUNIT_CASE(word_numbers_are_those_of_recordings),
	KUNIT_CASE(every_list_of_words_has_a_field),
	KUNIT_CASE(flags_have_a_bit_each),

	KUNIT_CASE(schema_begins_with_what_it_is),
	KUNIT_CASE(every_kind_has_a_line),
	KUNIT_CASE(every_field_has_a_line),
	KUNIT_CASE(every_value_has_a_line),
	KUNIT_CASE(there_are_no_other_lines),
	{}
};

static struct kunit_suite event_schema_suite = {
	.name = "renoscope_event_schema",
	.test_cases = event_schema_cases,
};

kunit_test_suite(event_schema_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: the record and the text that describes it");
MODULE_LICENSE("GPL");
