// SPDX-License-Identifier: GPL-2.0
/*
 * A record as a line of text.
 *
 * Three promises are tested. Nothing that was recorded is unprintable: changing
 * any bit of any field changes the line. What is printed is right: whole lines
 * are compared, and relative sequence numbers are those that Wireshark shows.
 * And a line is a line: it ends with its only newline and fits its buffer,
 * whatever the numbers.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <linux/time64.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include <net/tcp_states.h>

#include "event_schema.h"
#include "event_text.h"
#include "every_kind.h"

#define CLIENT_ISN	2712239078U
#define SERVER_ISN	1288781508U

#define for_each_kind(kind)	\
	for ((kind) = EVENT_KIND_NONE + 1; (kind) < EVENT_KIND_END; (kind)++)

/*
 * A line in a buffer of exactly the size promised, so that KASAN sees a write
 * behind it.
 */
static char *new_line(struct kunit *test)
{
	char *line = kunit_kzalloc(test, EVENT_TEXT_MAX, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, line);
	return line;
}

static const char *line_of(struct kunit *test, const struct tcp_event *event)
{
	char *line = new_line(test);

	event_text_line(event, line);
	return line;
}

static void expect_in_line(struct kunit *test, const struct tcp_event *event,
			   const char *words)
{
	const char *line = line_of(test, event);

	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(line, words), "'%s' in %s",
				  words, line);
}

static void expect_not_in_line(struct kunit *test,
			       const struct tcp_event *event, const char *words)
{
	const char *line = line_of(test, event);

	KUNIT_EXPECT_NULL_MSG(test, strstr(line, words), "'%s' in %s", words,
			      line);
}

/* ---- nothing is unprintable ---------------------------------------------- */

/* Options are told of segments that have them, so let this one have them all. */
static void give_options(struct tcp_event *event)
{
#define OPTION_BIT(name, bit, meaning)	| BIT(bit)
	event->segment_flags = 0 EVENT_SEGMENT_FLAGS(OPTION_BIT);
	event->sack_blocks = 3;
}

/* A record with something in every byte, of a kind. */
static void fill_event(struct tcp_event *event, unsigned int kind)
{
	u8 *bytes = (u8 *)event;
	unsigned int i;

	for (i = 0; i < sizeof(*event); i++)
		bytes[i] = 0x11 + i % 97;
	event->kind = kind;
	event->family = 6;
	event->state = TCP_ESTABLISHED;
	event->ca_state = TCP_CA_Open;
	event->sock_flags = 0;
	if (kind == EVENT_KIND_state)
		event->old_state = TCP_LISTEN;
	if (kind == EVENT_KIND_ca_state)
		event->old_ca_state = TCP_CA_CWR;
	if (kind == EVENT_KIND_synack_retransmit)
		event->by_timer = 1;
	if (kind == EVENT_KIND_loss_probe)
		event->probe_retransmits = 1;
	if (kind == EVENT_KIND_probe)
		event->probe_carries_data = 1;
	if (kind == EVENT_KIND_segment)
		give_options(event);
}

struct field_bits {
	const char *field;
	u8 bits;
};

#define SOCK_FLAG_BIT(name, bit, meaning)	| BIT(bit)

/* The fields of which not every bit means something. */
static const struct field_bits meaningful_bits[] = {
	{ "kind", 0 },			/* tells the kinds apart, see below */
	{ "family", 4 ^ 6 },		/* is 4 or 6 */
	{ "sock_flags", 0 EVENT_SOCK_FLAGS(SOCK_FLAG_BIT) },
	{ "by_timer", 1 },		/* is 0 or 1 */
	{ "probe_retransmits", 1 },
	{ "probe_carries_data", 1 },
};

static bool is_meaningful(const struct event_field *field, unsigned int bit)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(meaningful_bits); i++)
		if (!strcmp(meaningful_bits[i].field, field->name))
			return meaningful_bits[i].bits & BIT(bit);
	return true;
}

/* A loss and a mark are no events of a connection: they have only these. */
static bool kind_has(unsigned int kind, const struct event_field *field)
{
	static const char * const of_lost[] = {
		"serial", "time_ns", "cpu", "lost_events",
	};
	static const char * const of_mark[] = {
		"serial", "time_ns", "cpu", "kinds_on", "mark_cause",
	};

	if (kind == EVENT_KIND_lost)
		return match_string(of_lost, ARRAY_SIZE(of_lost),
				    field->name) >= 0;
	if (kind == EVENT_KIND_mark)
		return match_string(of_mark, ARRAY_SIZE(of_mark),
				    field->name) >= 0;
	return true;
}

/**
 * struct comparison - two lines side by side
 * @event: a full record
 * @line: its line
 * @changed_line: the line with a bit changed
 */
struct comparison {
	struct tcp_event event;
	char line[EVENT_TEXT_MAX];
	char changed_line[EVENT_TEXT_MAX];
};

static bool bit_shows(struct comparison *pair, unsigned int byte,
		      unsigned int bit)
{
	u8 *bytes = (u8 *)&pair->event;

	bytes[byte] ^= BIT(bit);
	event_text_line(&pair->event, pair->changed_line);
	bytes[byte] ^= BIT(bit);
	return strcmp(pair->line, pair->changed_line);
}

static void expect_every_bit_shows(struct kunit *test, struct comparison *pair,
				   const struct event_field *field)
{
	unsigned int bit;

	for (bit = 0; bit < 8 * field->size; bit++)
		if (is_meaningful(field, bit))
			KUNIT_EXPECT_TRUE_MSG(test,
					      bit_shows(pair, field->offset +
							bit / 8, bit % 8),
					      "bit %u of %s in %s", bit,
					      field->name, pair->line);
}

static void expect_fields_show(struct kunit *test, struct comparison *pair,
			       const struct event_field_group *group)
{
	unsigned int i;

	for (i = 0; i < group->count; i++)
		if (kind_has(pair->event.kind, &group->fields[i]))
			expect_every_bit_shows(test, pair, &group->fields[i]);
}

static void every_bit_of_a_kind_shows(struct kunit *test)
{
	unsigned int kind = *(const unsigned int *)test->param_value, i;
	struct comparison *pair;

	pair = kunit_kzalloc(test, sizeof(*pair), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pair);
	fill_event(&pair->event, kind);
	event_text_line(&pair->event, pair->line);
	for (i = 0; i < event_field_groups_count; i++)
		if (event_field_groups[i].kind == EVENT_KIND_NONE ||
		    event_field_groups[i].kind == kind)
			expect_fields_show(test, pair, &event_field_groups[i]);
}

/* Small numbers next to nothing at all, where "0 is left out" might hide one. */
static void one_shows_beside_zeros(struct kunit *test)
{
	unsigned int kind = *(const unsigned int *)test->param_value, i, j;
	struct comparison *pair;

	pair = kunit_kzalloc(test, sizeof(*pair), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pair);
	pair->event.kind = kind;
	pair->event.family = 6;
	if (kind == EVENT_KIND_segment)
		give_options(&pair->event);
	event_text_line(&pair->event, pair->line);
	for (i = 0; i < event_field_groups_count; i++) {
		const struct event_field_group *group = &event_field_groups[i];

		if (group->kind != EVENT_KIND_NONE && group->kind != kind)
			continue;
		for (j = 0; j < group->count; j++) {
			const struct event_field *field = &group->fields[j];

			if (is_meaningful(field, 0) && kind_has(kind, field))
				KUNIT_EXPECT_TRUE_MSG(test,
						      bit_shows(pair,
								field->offset, 0),
						      "%s in %s", field->name,
						      pair->line);
		}
	}
}

static void kinds_read_differently(struct kunit *test)
{
	unsigned int kind, other;
	struct tcp_event event;

	for_each_kind(kind) {
		const char *line;

		fill_event(&event, kind);
		line = line_of(test, &event);
		for_each_kind(other) {
			if (other == kind)
				continue;
			event.kind = other;
			KUNIT_EXPECT_STRNEQ(test, line, line_of(test, &event));
		}
	}
}

static void ipv4_address_shows(struct kunit *test)
{
	struct comparison *pair;
	unsigned int bit;

	pair = kunit_kzalloc(test, sizeof(*pair), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pair);
	fill_event(&pair->event, EVENT_KIND_ack);
	pair->event.family = 4;
	event_text_line(&pair->event, pair->line);
	for (bit = 0; bit < 32; bit++) {
		unsigned int byte = 12 + bit / 8;

		KUNIT_EXPECT_TRUE(test,
				  bit_shows(pair, byte +
					    offsetof(struct tcp_event, local_addr),
					    bit % 8));
		KUNIT_EXPECT_TRUE(test,
				  bit_shows(pair, byte +
					    offsetof(struct tcp_event, remote_addr),
					    bit % 8));
	}
}

/* ---- whole lines --------------------------------------------------------- */

/* The client of MISSION's sample program, its handshake just done. */
static struct tcp_event client_event(enum event_kind kind)
{
	struct tcp_event event = {
		.serial = 7,
		.time_ns = 12345678901ULL,
		.cookie = 0x1003,
		.netns = 4026531840U,
		.kind = kind,
		.family = 4,
		.state = TCP_ESTABLISHED,
		.ca_state = TCP_CA_Open,
		.local_port = 40000,
		.remote_port = 5000,
		.cpu = 1,
		.mss = 1448,
		.snd_isn = CLIENT_ISN,
		.rcv_isn = SERVER_ISN,
		.snd_una = CLIENT_ISN + 1,
		.snd_nxt = CLIENT_ISN + 1,
		.rcv_nxt = SERVER_ISN + 1,
		.snd_wscale = 7,
		.rcv_wscale = 8,
		.cwnd = 10,
		.ssthresh = TCP_INFINITE_SSTHRESH,
		.snd_wnd = 37632,
		.rcv_wnd = 130816,
		.srtt_us = 36020,
		.rttvar_us = 18010,
		.min_rtt_us = 36020,
		.rto_us = 236000,
		.sock_flags = EVENT_SOCK_sack | EVENT_SOCK_timestamps |
			      EVENT_SOCK_wscale,
	};

	ipv6_addr_set_v4mapped(htonl(0x0a000001), &event.local_addr);
	ipv6_addr_set_v4mapped(htonl(0x0a000002), &event.remote_addr);
	return event;
}

#define CLIENT_WHO							\
	"12.345678901 cpu=1 serial=7 netns=4026531840 sk=1003 "		\
	"local=10.0.0.1:40000 remote=10.0.0.2:5000 "

static void state_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_state);

	event.old_state = TCP_SYN_SENT;
	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   CLIENT_WHO
			   "state SYN-SENT -> ESTABLISHED ca=Open una=1 nxt=1 rcv=1 isn=2712239078/1288781508 snd_wnd=37632 rcv_wnd=130816 wscale=7/8 mss=1448 cwnd=10 ssthresh=none srtt=36.020ms rttvar=18.010ms min_rtt=36.020ms rto=236.000ms sack timestamps wscale\n");
}

/* Whatever a task calls itself, it stays one word; and it may fill its place. */
static void process_in_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_state);

	event.old_state = TCP_ESTABLISHED;
	event.state = TCP_FIN_WAIT1;
	event.pid = 4194303;
	strscpy(event.comm.text, "Web \"a=\n\x1b\xc3", sizeof(event.comm.text));
	expect_in_line(test, &event,
		       " FIN-WAIT-1 ca=Open pid=4194303 comm=Web_\"a=___ una=1 ");
	memset(event.comm.text, 'x', sizeof(event.comm.text));
	expect_in_line(test, &event, " comm=xxxxxxxxxxxxxxxx una=1 ");
}

/* Numbers of a segment that arrived count from the peer's ISN. */
static void ack_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_ack);

	event.seg_seq = SERVER_ISN + 1;
	event.seg_ack = CLIENT_ISN + 1 + 960;
	event.seg_len = 8;
	event.seg_window = 294;
	event.seg_flags = TCPHDR_ACK | TCPHDR_PSH;
	event.snd_nxt = CLIENT_ISN + 1 + 960;
	event.packets_out = 1;
	event.ssthresh = 16;
	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   CLIENT_WHO
			   "ack ESTABLISHED ca=Open received [PSH,ACK] seq=1 ack=961 len=8 window=294 una=1 nxt=961 rcv=1 isn=2712239078/1288781508 snd_wnd=37632 rcv_wnd=130816 wscale=7/8 mss=1448 cwnd=10 ssthresh=16 srtt=36.020ms rttvar=18.010ms min_rtt=36.020ms rto=236.000ms packets_out=1 sack timestamps wscale\n");
}

/* Those of one that was sent count from our own. */
static void retransmit_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_retransmit);

	event.ca_state = TCP_CA_Loss;
	event.seg_seq = CLIENT_ISN + 1;
	event.seg_ack = SERVER_ISN + 9;
	event.seg_len = 1448;
	event.seg_flags = TCPHDR_ACK;
	event.retransmit_cause = EVENT_retransmit_cause_loss_recovery;
	event.retransmit_segs = 2;
	event.total_retrans = 3;
	event.backoff = 1;
	event.retransmits = 2;
	event.cwnd = 1;
	event.ssthresh = 12;
	event.packets_out = 24;
	event.lost_out = 23;
	event.retrans_out = 1;
	event.sacked_out = 4;
	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   CLIENT_WHO
			   "retransmit ESTABLISHED ca=Loss cause=loss_recovery segments=2 total_retrans=3 sent [ACK] seq=1 ack=9 len=1448 una=1 nxt=1 rcv=1 isn=2712239078/1288781508 snd_wnd=37632 rcv_wnd=130816 wscale=7/8 mss=1448 cwnd=1 ssthresh=12 srtt=36.020ms rttvar=18.010ms min_rtt=36.020ms rto=236.000ms backoff=1 retransmits=2 packets_out=24 lost_out=23 retrans_out=1 sacked_out=4 sack timestamps wscale\n");
}

/* A half-open request knows neither window nor RTT; what is 0 is left out. */
static void synack_retransmit_line(struct kunit *test)
{
	struct tcp_event event = {
		.serial = 1,
		.time_ns = NSEC_PER_SEC,
		.cookie = 0xa,
		.netns = 1,
		.kind = EVENT_KIND_synack_retransmit,
		.family = 6,
		.state = TCP_SYN_RECV,
		.local_port = 5000,
		.remote_port = 40000,
		.local_addr = IN6ADDR_LOOPBACK_INIT,
		.remote_addr = {{{ 0x20, 0x01, 0x0d, 0xb8, [15] = 0x99 }}},
		.snd_isn = SERVER_ISN,
		.rcv_isn = CLIENT_ISN,
		.snd_una = SERVER_ISN,
		.snd_nxt = SERVER_ISN + 1,
		.rcv_nxt = CLIENT_ISN + 1,
		.seg_seq = SERVER_ISN,
		.seg_ack = CLIENT_ISN + 1,
		.seg_flags = TCPHDR_SYN | TCPHDR_ACK,
		.sock_flags = EVENT_SOCK_passive,
		.rto_us = 4 * USEC_PER_SEC,
		.since_synack_us = 3000123,
		.synack_timeout_us = USEC_PER_SEC,
		.half_open = 17,
		.accept_queue = 2,
		.accept_limit = 128,
		.syn_backlog = 512,
		.listener = 0xb,
		.num_retrans = 1,
		.num_timeout = 1,
		.by_timer = 1,
		.max_retries = 5,
	};

	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   "1.000000000 cpu=0 serial=1 netns=1 sk=a local=[::1]:5000 remote=[2001:db8::99]:40000 synack_retransmit SYN-RECEIVED ca=Open attempt=2 by=timer timeouts=1 of=5 since_first=3000.123ms first_wait=1000.000ms next_wait=4000.000ms half_open=17 accept_queue=2/128 syn_backlog=512 listener=b sent [SYN,ACK] seq=0 ack=1 len=0 una=0 nxt=1 rcv=1 isn=1288781508/2712239078 passive\n");
	event.by_timer = 0;
	expect_in_line(test, &event, " by=duplicate-SYN ");
}

static void ca_state_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_ca_state);

	event.old_ca_state = TCP_CA_Disorder;
	event.ca_state = TCP_CA_Recovery;
	expect_in_line(test, &event,
		       " ca_state ESTABLISHED ca=Disorder -> Recovery una=1 ");
}

static void reset_sent_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_reset_sent);

	event.seg_seq = SERVER_ISN;
	event.seg_flags = TCPHDR_SYN;
	event.seg_window = 64240;
	event.reset_reason = 0xffff;
	expect_in_line(test, &event,
		       " reset_sent ESTABLISHED ca=Open reason=unknown(65535) received [SYN] seq=0 len=0 window=64240 ");
}

static void reset_received_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_reset_received);

	expect_in_line(test, &event,
		       " reset_received ESTABLISHED ca=Open una=1 ");
}

static void destroy_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_destroy);

	event.state = TCP_CLOSE;
	event.bytes_acked = 1449;
	event.bytes_received = 5000000000ULL;
	event.segs_out = 12;
	event.segs_in = 11;
	event.retrans_segs = 0;
	event.data_segs_out = 3;
	expect_in_line(test, &event,
		       " destroy CLOSED ca=Open bytes_acked=1449 bytes_received=5000000000 segs_out=12 segs_in=11 retrans_segs=0 data_segs_out=3 una=1 ");
}

static void lost_line(struct kunit *test)
{
	struct tcp_event event = {
		.serial = 6,
		.time_ns = 61 * NSEC_PER_SEC + 5,
		.kind = EVENT_KIND_lost,
		.cpu = 3,
		.lost_events = 29,
	};

	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   "61.000000005 cpu=3 lost 29 events, serials 6 to 34: overwritten before they were read\n");
}

static void all_flags_have_names(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_ack);

	event.seg_flags = U8_MAX;
	event.sock_flags = U8_MAX;
	expect_in_line(test, &event,
		       " received [FIN,SYN,RST,PSH,ACK,URG,ECE,CWR] seq=");
#define EXPECT_SOCK_FLAG(name, bit, meaning)	\
	expect_in_line(test, &event, " " #name);
	EVENT_SOCK_FLAGS(EXPECT_SOCK_FLAG)
}

/* ---- the life of a request ----------------------------------------------- */

/* What the listener on port 5000 sees of the client; nothing agreed on yet. */
static struct tcp_event server_event(enum event_kind kind)
{
	struct tcp_event event = {
		.serial = 1,
		.time_ns = NSEC_PER_SEC,
		.cookie = 0xa,
		.netns = 1,
		.kind = kind,
		.family = 4,
		.state = TCP_SYN_RECV,
		.local_port = 5000,
		.remote_port = 40000,
		.snd_isn = SERVER_ISN,
		.rcv_isn = CLIENT_ISN,
		.snd_una = SERVER_ISN,
		.snd_nxt = SERVER_ISN + 1,
		.rcv_nxt = CLIENT_ISN + 1,
		.listener = 0xb,
		.half_open = 3,
		.accept_queue = 1,
		.accept_limit = 128,
	};

	ipv6_addr_set_v4mapped(htonl(0x0a000002), &event.local_addr);
	ipv6_addr_set_v4mapped(htonl(0x0a000001), &event.remote_addr);
	return event;
}

#define SERVER_WHO							\
	"1.000000000 cpu=0 serial=1 netns=1 sk=a "			\
	"local=10.0.0.2:5000 remote=10.0.0.1:40000 "

/* The SYN comes before there is an ISN of ours to count from. */
static void syn_line(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_syn);

	event.cookie = 0xb;
	event.state = TCP_LISTEN;
	event.snd_isn = 0;
	event.snd_una = 0;
	event.snd_nxt = 0;
	event.rcv_nxt = 0;
	event.seg_seq = CLIENT_ISN;
	event.seg_flags = TCPHDR_SYN;
	event.seg_window = 64240;
	event.syn_backlog = 4096;
	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   "1.000000000 cpu=0 serial=1 netns=1 sk=b local=10.0.0.2:5000 remote=10.0.0.1:40000 syn LISTEN ca=Open half_open=3 accept_queue=1/128 syn_backlog=4096 listener=b received [SYN] seq=0 len=0 window=64240 isn=0/2712239078\n");
}

static void request_line(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_request);

	event.synack_timeout_us = USEC_PER_SEC;
	event.rto_us = USEC_PER_SEC;
	event.max_retries = 5;
	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   SERVER_WHO
			   "request SYN-RECEIVED ca=Open max_retries=5 first_wait=1000.000ms next_wait=1000.000ms half_open=3 accept_queue=1/128 listener=b una=0 nxt=1 rcv=1 isn=1288781508/2712239078\n");
}

static void synack_line(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_synack);

	event.seg_seq = SERVER_ISN;
	event.seg_ack = CLIENT_ISN + 1;
	event.seg_flags = TCPHDR_SYN | TCPHDR_ACK;
	event.rto_us = USEC_PER_SEC;
	expect_in_line(test, &event,
		       " synack SYN-RECEIVED ca=Open type=normal next_wait=1000.000ms half_open=3 accept_queue=1/128 listener=b sent [SYN,ACK] seq=0 ack=1 len=0 una=0 nxt=1 rcv=1 isn=");
	expect_not_in_line(test, &event, " rto=");
	event.synack_type = EVENT_synack_type_cookie;
	expect_in_line(test, &event, " type=cookie ");
	event.synack_type = EVENT_synack_type_fastopen;
	expect_in_line(test, &event, " type=fastopen ");
}

static void refused_line(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_refused);

	event.refusal = EVENT_refusal_accept_queue_full;
	event.accept_queue = 129;
	event.seg_seq = CLIENT_ISN;
	event.seg_flags = TCPHDR_SYN;
	expect_in_line(test, &event,
		       " ca=Open reason=accept_queue_full half_open=3 accept_queue=129/128 listener=b received [SYN] seq=0 len=0 window=0 ");
	event.refusal = 200;
	expect_in_line(test, &event, " reason=unknown(200) ");
	/* after listen(fd, 0) */
	event.half_open = 0;
	event.accept_queue = 0;
	event.accept_limit = 0;
	expect_in_line(test, &event, " half_open=0 accept_queue=0/0 listener=b ");
}

static void completed_and_accepted_lines(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_completed);

	event.since_synack_us = 36020;
	expect_in_line(test, &event,
		       " completed SYN-RECEIVED ca=Open since_first=36.020ms half_open=3 accept_queue=1/128 listener=b una=0 ");

	event = client_event(EVENT_KIND_accepted);
	event.state = TCP_ESTABLISHED;
	event.pid = 77;
	strscpy(event.comm.text, "nginx", sizeof(event.comm.text));
	expect_in_line(test, &event, " accepted ESTABLISHED ca=Open pid=77 comm=nginx una=1 ");
}

static void request_end_line(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_request_end);

	event.request_ending = EVENT_request_ending_expired;
	event.num_retrans = 6;
	event.num_timeout = 5;
	event.max_retries = 5;
	event.since_synack_us = 63 * USEC_PER_SEC;
	expect_in_line(test, &event,
		       " ending=expired sent_again=6 timeouts=5 max_retries=5 since_first=63000.000ms half_open=3 ");
}

static void cookie_checked_line(struct kunit *test)
{
	struct tcp_event event = server_event(EVENT_KIND_cookie_checked);

	event.cookie_verdict = EVENT_cookie_verdict_valid;
	event.seg_flags = TCPHDR_ACK;
	event.seg_seq = CLIENT_ISN + 1;
	event.seg_ack = SERVER_ISN + 1;
	expect_in_line(test, &event, " verdict=valid half_open=3 ");
	expect_in_line(test, &event, " received [ACK] seq=1 ack=1 ");
}

/* ---- timers, windows and ends -------------------------------------------- */

static void time_wait_lines(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_time_wait);

	event.state = TCP_TIME_WAIT;
	event.time_wait_us = 60 * USEC_PER_SEC;
	expect_in_line(test, &event,
		       " time_wait TIME-WAIT ca=Open step=started lasts=60000.000ms una=1 ");
	event.time_wait_step = EVENT_time_wait_step_segment;
	event.seg_flags = TCPHDR_FIN | TCPHDR_ACK;
	event.seg_seq = SERVER_ISN + 3343;
	event.seg_ack = CLIENT_ISN + 1;
	expect_in_line(test, &event,
		       " step=segment lasts=60000.000ms received [FIN,ACK] seq=3343 ack=1 ");

	event = client_event(EVENT_KIND_time_wait_end);
	event.state = TCP_TIME_WAIT;
	event.time_wait_ending = EVENT_time_wait_ending_timer;
	expect_in_line(test, &event,
		       " time_wait_end TIME-WAIT ca=Open ending=timer una=1 ");
}

/* The RTO in force; the timer may have waited less (tcp_clamp_rto_to_user_timeout()). */
static void rto_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_rto);

	event.rto_us = 204000;
	event.backoff = 2;
	expect_in_line(test, &event,
		       " rto ESTABLISHED ca=Open una=1 ");
	expect_in_line(test, &event, " rto=204.000ms backoff=2 ");
	expect_not_in_line(test, &event, " waited=");
}

static void probe_lines(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_loss_probe);

	expect_in_line(test, &event, " loss_probe ESTABLISHED ca=Open new_data ");
	event.probe_retransmits = 1;
	expect_in_line(test, &event, " ca=Open retransmission ");

	event = client_event(EVENT_KIND_probe);
	event.probes_out = 2;
	event.seg_seq = CLIENT_ISN;
	event.seg_flags = TCPHDR_ACK;
	expect_in_line(test, &event,
		       " probe ESTABLISHED ca=Open cause=zero_window unanswered=2 sent [ACK] seq=0 ");
	expect_not_in_line(test, &event, " carries_data");
	event.probe_cause = EVENT_probe_cause_keepalive;
	event.probe_carries_data = 1;
	expect_in_line(test, &event, " cause=keepalive unanswered=2 carries_data ");
}

/* The peer's window is told by its segment, ours by the one we send. */
static void zero_window_lines(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_zero_window);

	event.seg_flags = TCPHDR_ACK;
	event.seg_seq = SERVER_ISN + 1;
	event.seg_ack = CLIENT_ISN + 1449;
	expect_in_line(test, &event,
		       " window_of=peer change=closed received [ACK] seq=1 ack=1449 len=0 window=0 ");
	event.window_side = EVENT_window_side_own;
	event.window_change = EVENT_window_change_opened;
	event.seg_seq = CLIENT_ISN + 1;
	event.seg_ack = SERVER_ISN + 1449;
	event.seg_window = 511;
	expect_in_line(test, &event,
		       " window_of=own change=opened sent [ACK] seq=1 ack=1449 len=0 window=511 ");
}

static void error_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_error);

	event.sk_error = ETIMEDOUT;
	expect_in_line(test, &event,
		       " error ESTABLISHED ca=Open error=ETIMEDOUT(110) una=1 ");
	event.sk_error = ECONNRESET;
	expect_in_line(test, &event, " error=ECONNRESET(104) ");
	event.sk_error = ECONNREFUSED;
	expect_in_line(test, &event, " error=ECONNREFUSED(111) ");
	event.sk_error = EPIPE;
	expect_in_line(test, &event, " error=EPIPE(32) ");
	event.sk_error = EHOSTUNREACH;
	expect_in_line(test, &event, " error=EHOSTUNREACH(113) ");
	event.sk_error = ENETUNREACH;
	expect_in_line(test, &event, " error=ENETUNREACH(101) ");
	event.sk_error = 4095;
	expect_in_line(test, &event, " error=4095 ");
}

static void bad_checksum_line(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_bad_checksum);

	event.seg_flags = TCPHDR_ACK;
	event.seg_seq = SERVER_ISN + 9;
	event.seg_ack = CLIENT_ISN + 1;
	event.seg_len = 8;
	expect_in_line(test, &event,
		       " bad_checksum ESTABLISHED ca=Open received [ACK] seq=9 ack=1 len=8 ");
}

/* What an algorithm of ours says; what a kind does not have is left out. */
static void reno_lines(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_reno_phase);

	event.phase = EVENT_reno_phase_slow_start;
	event.reno_cause = EVENT_reno_cause_begin;
	expect_in_line(test, &event,
		       " reno_phase ESTABLISHED ca=Open phase=slow_start cause=begin una=1 ");
	event.old_phase = EVENT_reno_phase_css;
	event.phase = EVENT_reno_phase_avoidance;
	event.reno_cause = EVENT_reno_cause_css_rounds;
	expect_in_line(test, &event,
		       " old_phase=css phase=avoidance cause=css_rounds una=1 ");

	event = client_event(EVENT_KIND_reno_round);
	event.old_cwnd = 8;
	event.round_acked = 8;
	event.round_rtt_us = 100250;
	expect_in_line(test, &event,
		       " reno_round ESTABLISHED ca=Open old_cwnd=8 round_acked=8 round_rtt=100.250ms una=1 ");

	event = client_event(EVENT_KIND_reno_reduction);
	event.new_ssthresh = 12;
	event.reno_cause = EVENT_reno_cause_rto;
	expect_in_line(test, &event,
		       " reno_reduction ESTABLISHED ca=Open cause=rto new_ssthresh=12 una=1 ");

	event = client_event(EVENT_KIND_reno_undo);
	event.new_cwnd = 24;
	expect_in_line(test, &event,
		       " reno_undo ESTABLISHED ca=Open new_cwnd=24 una=1 ");

	event = client_event(EVENT_KIND_reno_restart);
	expect_in_line(test, &event,
		       " reno_restart ESTABLISHED ca=Open una=1 ");
}

static void mark_line(struct kunit *test)
{
	struct tcp_event event = {
		.serial = 35,
		.time_ns = 62 * NSEC_PER_SEC,
		.kind = EVENT_KIND_mark,
		.cpu = 3,
		.kinds_on = EVENT_KIND_BIT(state) |
			    EVENT_KIND_BIT(ack) |
			    EVENT_KIND_BIT(mark),
		.mark_cause = EVENT_mark_cause_events,
	};

	KUNIT_EXPECT_STREQ(test, line_of(test, &event),
			   "62.000000000 cpu=3 serial=35 mark cause=events kinds_on=state,ack,mark\n");
	event.kinds_on = 0;
	event.mark_cause = EVENT_mark_cause_frozen;
	expect_in_line(test, &event, " cause=frozen kinds_on=none\n");
	event.kinds_on = EVENT_KIND_BIT(state) | BIT_ULL(63) | BIT_ULL(0);
	expect_in_line(test, &event, " kinds_on=state,0x8000000000000001\n");
}

/* ---- a segment's header -------------------------------------------------- */

static struct tcp_event sent_segment(void)
{
	struct tcp_event event = client_event(EVENT_KIND_segment);

	event.seg_seq = CLIENT_ISN + 1;
	event.seg_ack = SERVER_ISN + 9;
	event.seg_len = 725;
	event.seg_flags = TCPHDR_ACK | TCPHDR_PSH;
	event.seg_window = 511;
	event.header_words = 8;
	event.tsval = 1000;
	event.tsecr = 2000;
	event.segment_flags = EVENT_SEGMENT_outgoing | EVENT_SEGMENT_timestamps;
	return event;
}

static void segment_line(struct kunit *test)
{
	struct tcp_event event = sent_segment();

	expect_in_line(test, &event,
		       " segment ESTABLISHED ca=Open sent [PSH,ACK] seq=1 ack=9 len=725 window=511 header_words=8 TS val=1000 ecr=2000 una=1 ");
}

/* The same numbers, the other way: now the other ISN is each one's. */
static void direction_tells_whose_isn_counts(struct kunit *test)
{
	struct tcp_event event = sent_segment();

	event.segment_flags &= ~EVENT_SEGMENT_outgoing;
	event.seg_seq = SERVER_ISN + 1;
	event.seg_ack = CLIENT_ISN + 726;
	event.sack_blocks = 1;
	event.sack1_left = CLIENT_ISN + 1449;
	event.sack1_right = CLIENT_ISN + 2897;
	expect_in_line(test, &event, " received [PSH,ACK] seq=1 ack=726 ");
	expect_in_line(test, &event, " sack=1449:2897 ");
	event.snd_isn = 0;
	expect_in_line(test, &event, " seq=1 ack=raw:2712239804 ");
	expect_in_line(test, &event, " sack=raw:2712240527:raw:2712241975 ");
}

static void options_of_a_syn(struct kunit *test)
{
	struct tcp_event event = sent_segment();

	event.seg_seq = CLIENT_ISN;
	event.seg_ack = 0;
	event.seg_flags = TCPHDR_SYN;
	event.seg_len = 0;
	event.header_words = 10;
	event.option_mss = 1460;
	event.option_wscale = 0;
	event.segment_flags |= EVENT_SEGMENT_mss | EVENT_SEGMENT_wscale |
			       EVENT_SEGMENT_sack_permitted;
	expect_in_line(test, &event,
		       " sent [SYN] seq=0 len=0 window=511 header_words=10 option_mss=1460 option_wscale=0 sackOK TS val=1000 ecr=2000 una=");
	event.segment_flags = EVENT_SEGMENT_outgoing | EVENT_SEGMENT_fastopen |
			      EVENT_SEGMENT_other | EVENT_SEGMENT_unverified;
	expect_in_line(test, &event,
		       " header_words=10 fastopen_option other_option checksum_unverified una=");
}

static void sack_blocks_count_from_the_ack(struct kunit *test)
{
	struct tcp_event event = sent_segment();

	event.sack_blocks = 2;
	event.sack1_left = SERVER_ISN + 3;
	event.sack1_right = SERVER_ISN + 5;
	event.sack2_left = SERVER_ISN + 9;
	event.sack2_right = SERVER_ISN + 11;
	event.sack3_left = SERVER_ISN + 13;
	expect_in_line(test, &event, " ecr=2000 sack=3:5,9:11 una=");

	event.sack_blocks = 4;
	event.sack3_right = SERVER_ISN + 15;
	event.tsval = SERVER_ISN + 17;
	event.tsecr = SERVER_ISN + 19;
	expect_in_line(test, &event,
		       " header_words=8 sack=3:5,9:11,13:15,17:19 una=");
}

static void urgent_pointer_shows_with_urg(struct kunit *test)
{
	struct tcp_event event = sent_segment();

	expect_not_in_line(test, &event, "urgent");
	event.seg_flags |= TCPHDR_URG;
	expect_in_line(test, &event, " window=511 urgent_pointer=0 header_words=8 ");
	event.urgent_pointer = 5;
	expect_in_line(test, &event, " urgent_pointer=5 ");
}

/* A window that is shut is what matters most about it. */
static void zero_window_of_a_segment_shows(struct kunit *test)
{
	struct tcp_event event = sent_segment();

	event.seg_window = 0;
	expect_in_line(test, &event, " len=725 window=0 ");
	event = client_event(EVENT_KIND_ack);
	event.seg_flags = TCPHDR_ACK;
	expect_in_line(test, &event, " len=0 window=0 ");
	event = client_event(EVENT_KIND_retransmit);
	event.seg_flags = TCPHDR_ACK;
	expect_not_in_line(test, &event, " window=");
}

/* ---- no segment ---------------------------------------------------------- */

/* An event without a segment says nothing of one. */
static void no_segment_no_words(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_ack);

	expect_not_in_line(test, &event, " received ");
	expect_not_in_line(test, &event, " len=");
}

/* ---- relative sequence numbers ------------------------------------------- */

struct relative_case {
	const char *name;
	u32 isn;
	u32 sequence;
	const char *shown;
};

/* The numbers of the source documents, raw and as Wireshark shows them. */
static const struct relative_case relative_cases[] = {
	{ "a SYN", CLIENT_ISN, 2712239078U, " seq=0 " },
	{ "the third segment", CLIENT_ISN, 2712239079U, " seq=1 " },
	{ "960 bytes acknowledged", CLIENT_ISN, 2712240039U, " seq=961 " },
	{ "a FIN", SERVER_ISN, 1288781777U, " seq=269 " },
	{ "a FIN acknowledged", SERVER_ISN, 1288781778U, " seq=270 " },
	{ "Welcome! acknowledged", SERVER_ISN, SERVER_ISN + 1 + 8, " seq=9 " },
	{ "725 bytes acknowledged", SERVER_ISN, SERVER_ISN + 1 + 725,
	  " seq=726 " },
	{ "1448 bytes acknowledged", SERVER_ISN, SERVER_ISN + 1 + 1448,
	  " seq=1449 " },
	{ "FIN 3343 acknowledged", CLIENT_ISN, CLIENT_ISN + 3343 + 1,
	  " seq=3344 " },
	{ "FIN 4478 acknowledged", CLIENT_ISN, CLIENT_ISN + 4478 + 1,
	  " seq=4479 " },
	{ "wrap right after the SYN", U32_MAX, 0, " seq=1 " },
	{ "wrap within the data", 4294966000U, 153, " seq=1449 " },
	{ "half the space away", 4000000000U, 1852516352U, " seq=2147483648 " },
	{ "ISN not known", 0, 2712239079U, " seq=raw:2712239079 " },
};

KUNIT_ARRAY_PARAM_DESC(relative, relative_cases, name);

static void sequence_counts_from_the_senders_isn(struct kunit *test)
{
	const struct relative_case *relative = test->param_value;
	struct tcp_event event = client_event(EVENT_KIND_ack);

	event.seg_flags = TCPHDR_ACK;
	event.seg_seq = relative->sequence;
	event.rcv_isn = relative->isn;
	expect_in_line(test, &event, relative->shown);

	event = client_event(EVENT_KIND_retransmit);
	event.seg_flags = TCPHDR_ACK;
	event.seg_seq = relative->sequence;
	event.snd_isn = relative->isn;
	expect_in_line(test, &event, relative->shown);
}

static void ack_counts_from_the_receivers_isn(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_ack);

	event.seg_flags = TCPHDR_ACK;
	event.seg_ack = CLIENT_ISN + 9;
	expect_in_line(test, &event, " ack=9 ");

	event = client_event(EVENT_KIND_retransmit);
	event.seg_flags = TCPHDR_ACK;
	event.seg_ack = SERVER_ISN + 726;
	expect_in_line(test, &event, " ack=726 ");
}

static void refused_syn_shows_raw_numbers(struct kunit *test)
{
	struct tcp_event event = {
		.kind = EVENT_KIND_reset_sent,
		.family = 4,
		.state = TCP_CLOSE,
		.seg_seq = CLIENT_ISN,
		.seg_flags = TCPHDR_SYN,
	};

	expect_in_line(test, &event,
		       " received [SYN] seq=raw:2712239078 len=0");
	expect_not_in_line(test, &event, " isn=");
}

/* ---- a line is a line ---------------------------------------------------- */

static void expect_one_line(struct kunit *test, const struct tcp_event *event)
{
	char *line = new_line(test);
	size_t length = event_text_line(event, line);

	KUNIT_ASSERT_LT(test, length, EVENT_TEXT_MAX);
	KUNIT_EXPECT_EQ(test, strnlen(line, EVENT_TEXT_MAX), length);
	KUNIT_EXPECT_PTR_EQ_MSG(test, strchr(line, '\n'), line + length - 1,
				"%s", line);
}

static void set_field(struct tcp_event *event, const struct event_field *field,
		      u64 number)
{
	u8 *place = (u8 *)event + field->offset;

	switch (field->size) {
	case 1:
		*place = number;
		break;
	case 2:
		*(u16 *)place = number;
		break;
	case 4:
		*(u32 *)place = number;
		break;
	case 8:
		*(u64 *)place = number;
		break;
	default:
		memset(place, number, field->size);
	}
}

/* How many numbers may stand for a longer word than the largest one does. */
static unsigned int words_of(const struct event_field *field)
{
	if (!strcmp(field->unit, "errno") ||
	    !strcmp(field->unit, "reset_reason"))
		return U8_MAX;
	return field->size == 1 ? 40 : 1;
}

/**
 * struct longest - the search for the longest line of a kind
 * @event: the record whose line it is, so far
 * @length: how long that is
 * @line: for writing lines
 */
struct longest {
	struct tcp_event event;
	size_t length;
	char line[EVENT_TEXT_MAX];
};

static void try_number(struct longest *longest,
		       const struct event_field *field, u64 number)
{
	struct tcp_event before = longest->event;
	size_t length;

	set_field(&longest->event, field, number);
	length = event_text_line(&longest->event, longest->line);
	if (length > longest->length)
		longest->length = length;
	else
		longest->event = before;
}

/* Give each field, in turn, the number that makes the line longest. */
static void lengthen(struct longest *longest,
		     const struct event_field_group *group)
{
	unsigned int i, number;

	for (i = 0; i < group->count; i++) {
		if (!strcmp(group->fields[i].name, "kind"))
			continue;
		for (number = 0; number < words_of(&group->fields[i]); number++)
			try_number(longest, &group->fields[i], number);
		try_number(longest, &group->fields[i], U64_MAX);
	}
}

static void lengthen_kind(struct longest *longest)
{
	unsigned int i;

	for (i = 0; i < event_field_groups_count; i++)
		if (event_field_groups[i].kind == EVENT_KIND_NONE ||
		    event_field_groups[i].kind == longest->event.kind)
			lengthen(longest, &event_field_groups[i]);
}

/*
 * The longest words and numbers, as far as one line can have them together. A
 * field alone may make no line longer while another is as it is (an ISN of 0
 * makes numbers raw but hides itself), so it begins from several records, and
 * goes through the fields again and again until nothing is gained.
 */
static void longest_line_fits(struct kunit *test)
{
	unsigned int kind = *(const unsigned int *)test->param_value, begin;
	struct longest *longest;
	size_t before;

	longest = kunit_kzalloc(test, sizeof(*longest), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, longest);
	for (begin = 0; begin < 4; begin++) {
		memset(&longest->event, 0xff, sizeof(longest->event));
		longest->event.kind = kind;
		longest->event.family = 6;
		if (begin & 1)
			longest->event.snd_isn = 0;
		if (begin & 2)
			longest->event.rcv_isn = 0;
		longest->length = 0;
		do {
			before = longest->length;
			lengthen_kind(longest);
		} while (longest->length > before);
		expect_one_line(test, &longest->event);
	}
}

static void nothing_but_zeros_is_a_line(struct kunit *test)
{
	struct tcp_event event = {
		.kind = *(const unsigned int *)test->param_value,
	};

	expect_one_line(test, &event);
}

/* Records come from files, too: an unknown kind must not do harm. */
static void unknown_kinds_are_lines(struct kunit *test)
{
	struct tcp_event event = client_event(EVENT_KIND_NONE);

	expect_in_line(test, &event, " unknown ESTABLISHED ");
	expect_one_line(test, &event);
	event.kind = EVENT_KIND_END;
	expect_one_line(test, &event);
	event.kind = U8_MAX;
	expect_one_line(test, &event);
}

static struct kunit_case event_text_cases[] = {
	KUNIT_CASE_PARAM_ATTR(every_bit_of_a_kind_shows, kind_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM(one_shows_beside_zeros, kind_gen_params),
	KUNIT_CASE(kinds_read_differently),
	KUNIT_CASE(ipv4_address_shows),

	KUNIT_CASE(state_line),
	KUNIT_CASE(process_in_line),
	KUNIT_CASE(ack_line),
	KUNIT_CASE(retransmit_line),
	KUNIT_CASE(synack_retransmit_line),
	KUNIT_CASE(ca_state_line),
	KUNIT_CASE(reset_sent_line),
	KUNIT_CASE(reset_received_line),
	KUNIT_CASE(destroy_line),
	KUNIT_CASE(lost_line),
	KUNIT_CASE(all_flags_have_names),

	KUNIT_CASE(syn_line),
	KUNIT_CASE(request_line),
	KUNIT_CASE(synack_line),
	KUNIT_CASE(refused_line),
	KUNIT_CASE(completed_and_accepted_lines),
	KUNIT_CASE(request_end_line),
	KUNIT_CASE(cookie_checked_line),
	KUNIT_CASE(time_wait_lines),
	KUNIT_CASE(rto_line),
	KUNIT_CASE(probe_lines),
	KUNIT_CASE(zero_window_lines),
	KUNIT_CASE(error_line),
	KUNIT_CASE(bad_checksum_line),
	KUNIT_CASE(reno_lines),
	KUNIT_CASE(mark_line),

	KUNIT_CASE(segment_line),
	KUNIT_CASE(direction_tells_whose_isn_counts),
	KUNIT_CASE(options_of_a_syn),
	KUNIT_CASE(sack_blocks_count_from_the_ack),
	KUNIT_CASE(urgent_pointer_shows_with_urg),
	KUNIT_CASE(zero_window_of_a_segment_shows),
	KUNIT_CASE(no_segment_no_words),

	KUNIT_CASE_PARAM(sequence_counts_from_the_senders_isn,
			 relative_gen_params),
	KUNIT_CASE(ack_counts_from_the_receivers_isn),
	KUNIT_CASE(refused_syn_shows_raw_numbers),

	KUNIT_CASE_PARAM_ATTR(longest_line_fits, kind_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM(nothing_but_zeros_is_a_line, kind_gen_params),
	KUNIT_CASE(unknown_kinds_are_lines),
	{}
};

static struct kunit_suite event_text_suite = {
	.name = "renoscope_event_text",
	.test_cases = event_text_cases,
};

kunit_test_suite(event_text_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit suite: a record as a line of text");
MODULE_LICENSE("GPL");
