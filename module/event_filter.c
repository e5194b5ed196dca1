// SPDX-License-Identifier: GPL-2.0
/*
 * Which connections: text in, a compiled filter out, then yes or no.
 *
 *	port=5000,443 addr=10.0.0.0/8 state!=LISTEN
 *
 * Words are separated by blanks. Each is a key, = or !=, and values separated by
 * commas. The values of one key are alternatives, wherever they stand; all keys
 * must agree. A value after != must not be met. No word at all, or `none`, lets
 * everything through.
 *
 *	port, lport, rport	a port: of either end, the local, the remote one
 *	addr, laddr, raddr	an address or ADDRESS/BITS, of either family
 *	netns			inode of a network namespace
 *	state			a TCP state, as the schema names it
 *	cookie			a connection id, in hexadecimal, as ss -e shows it
 *
 * What is compared is what a socket knows at the moment of the event. IPv4 on
 * an IPv6 socket is IPv4. A listener has no peer yet, and the first event of a
 * connection that it takes (state, LISTEN to SYN-RECEIVED) comes while the child
 * still wears the listener's ends: so what a listener does not know, its peer
 * and, if it takes any, its local address, is no reason to turn its events away.
 * Only port= is judged by the local port alone, or it would never say no to a
 * listener.
 *
 * A socket that connects has no local port before the kernel chooses one, so its
 * first event (state, CLOSED to SYN-SENT) is met by rport= and not by lport=. One
 * that is disconnected, by an aborting close() or after a failed connect(), too,
 * forgets its peer before its last events (error, destroy).
 */
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <net/inet_sock.h>
#include <net/inet_timewait_sock.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/request_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "event_capture_sock.h"
#include "event_filter.h"
#include "event_schema.h"
#include "kernel_compat.h"
#include "parameter_refusal.h"

enum filter_key {
	KEY_PORT,
	KEY_LPORT,
	KEY_RPORT,
	KEY_ADDR,
	KEY_LADDR,
	KEY_RADDR,
	KEY_NETNS,
	KEY_STATE,
	KEY_COOKIE,
	KEY_END
};

static const char * const key_names[] = {
	[KEY_PORT] = "port", [KEY_LPORT] = "lport", [KEY_RPORT] = "rport",
	[KEY_ADDR] = "addr", [KEY_LADDR] = "laddr", [KEY_RADDR] = "raddr",
	[KEY_NETNS] = "netns", [KEY_STATE] = "state", [KEY_COOKIE] = "cookie",
};

#define IPV4_PREFIX	96	/* bits in front of a mapped IPv4 address */

/* ---- reading ---------------------------------------------------------- */

/**
 * struct span - a piece of a text, without a NUL at its end
 * @text: where it begins
 * @length: in bytes
 */
struct span {
	const char *text;
	size_t length;
};

static const char blanks[] = " \t\n";

static bool span_is(struct span span, const char *word)
{
	return strlen(word) == span.length &&
	       !strncasecmp(span.text, word, span.length);
}

/* Up to the first @end, or all of it. What is behind remains in @rest. */
static struct span take_until(struct span *rest, char end)
{
	const char *found = memchr(rest->text, end, rest->length);
	struct span taken = *rest;

	if (found)
		taken.length = found - rest->text;
	rest->text += taken.length;
	rest->length -= taken.length;
	return taken;
}

/* Digits alone: no sign, no prefix, nothing behind them. */
static bool read_number(struct span span, unsigned int base, u64 most,
			u64 *number)
{
	u64 sum = 0;
	size_t i;

	if (!span.length)
		return false;
	for (i = 0; i < span.length; i++) {
		int digit = hex_to_bin(span.text[i]);

		if (digit < 0 || digit >= base || sum > most / base ||
		    sum * base > most - digit)
			return false;
		sum = sum * base + digit;
	}
	*number = sum;
	return true;
}

static bool read_port(struct span span, struct filter_term *term)
{
	return read_number(span, 10, U16_MAX, &term->number) && term->number;
}

static bool read_netns(struct span span, struct filter_term *term)
{
	return read_number(span, 10, U32_MAX, &term->number) && term->number;
}

static bool read_cookie(struct span span, struct filter_term *term)
{
	static const char prefix[] = "sk:";

	if (span.length > strlen(prefix) &&
	    !strncmp(span.text, prefix, strlen(prefix))) {
		span.text += strlen(prefix);
		span.length -= strlen(prefix);
	}
	return read_number(span, 16, U64_MAX, &term->number) && term->number;
}

static bool read_state(struct span span, struct filter_term *term)
{
	unsigned int state;

	for (state = TCP_ESTABLISHED; state <= TCP_CLOSING; state++) {
		term->number = state;
		if (span_is(span, event_state_name(state)))
			return true;
	}
	return false;
}

/*
 * in4_pton() and in6_pton() take what inet_pton() refuses: 010.0.0.1, which is
 * 8.0.0.1 for some programs and 10.0.0.1 for others, and groups of more than four
 * digits (RFC 4291, section 2.2).
 */
static bool digits_are_odd(struct span span)
{
	bool has_dots = memchr(span.text, '.', span.length);
	size_t at = 0;

	while (at < span.length) {
		size_t begin = at;

		while (at < span.length && isxdigit(span.text[at]))
			at++;
		if (at - begin > 4)
			return true;
		if (has_dots && at - begin > 1 && span.text[begin] == '0' &&
		    (at == span.length || span.text[at] == '.'))
			return true;
		at++;	/* the dot or the colon */
	}
	return false;
}

/* Return: the bits in front of the address's own, negative if it is none. */
static int read_bare_address(struct span span, struct in6_addr *address)
{
	const char *end = span.text + span.length;
	const char *stop;
	__be32 ipv4;

	if (digits_are_odd(span))
		return -EINVAL;
	/* Both stop at what they do not know, and then call it an address. */
	if (in4_pton(span.text, span.length, (u8 *)&ipv4, -1, &stop) &&
	    stop == end) {
		ipv6_addr_set_v4mapped(ipv4, address);
		return IPV4_PREFIX;
	}
	if (in6_pton(span.text, span.length, address->s6_addr, -1, &stop) &&
	    stop == end)
		return 0;
	return -EINVAL;
}

static bool read_address(struct span span, struct filter_term *term)
{
	struct span bare = take_until(&span, '/');
	struct in6_addr address;
	int before;
	u64 bits;

	if (!bare.length || bare.length > INET6_ADDRSTRLEN)
		return false;
	before = read_bare_address(bare, &address);
	if (before < 0)
		return false;
	bits = 128 - before;
	if (span.length) {
		span.text++;	/* the slash */
		span.length--;
		if (!read_number(span, 10, bits, &bits))
			return false;
	}
	term->prefix = before + bits;
	ipv6_addr_prefix(&term->address, &address, term->prefix);
	return true;
}

/**
 * struct key_syntax - how the values of a key are read
 * @read: the value into the term; false if it is none
 * @allowed: what a value may be
 */
struct key_syntax {
	bool (*read)(struct span span, struct filter_term *term);
	const char *allowed;
};

static const struct key_syntax port_syntax = {
	read_port, "a port is a number from 1 to 65535"
};

static const struct key_syntax address_syntax = {
	read_address,
	"an address is one of IPv4 or IPv6, with /0 to /32 or /128 behind it or not"
};

static const struct key_syntax netns_syntax = {
	read_netns, "a netns is the inode of /proc/PID/ns/net, from 1 to 4294967295"
};

static const struct key_syntax state_syntax = {
	read_state,
	"a state is LISTEN, SYN-SENT, SYN-RECEIVED, ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT or CLOSED"
};

static const struct key_syntax cookie_syntax = {
	read_cookie, "a cookie is hexadecimal, as ss -e shows it behind sk:"
};

static const struct key_syntax * const syntaxes[] = {
	[KEY_PORT] = &port_syntax, [KEY_LPORT] = &port_syntax,
	[KEY_RPORT] = &port_syntax, [KEY_ADDR] = &address_syntax,
	[KEY_LADDR] = &address_syntax, [KEY_RADDR] = &address_syntax,
	[KEY_NETNS] = &netns_syntax, [KEY_STATE] = &state_syntax,
	[KEY_COOKIE] = &cookie_syntax,
};

static int refuse(struct word_complaint *complaint, struct span word,
		  const char *allowed)
{
	complaint->word = word.text;
	complaint->length = word.length;
	complaint->allowed = allowed;
	return -EINVAL;
}

/* Behind those of the same key, so that keys stay together. */
static void insert_term(struct event_filter *filter,
			const struct filter_term *term)
{
	unsigned int place = filter->count++;

	for (; place && filter->terms[place - 1].key > term->key; place--)
		filter->terms[place] = filter->terms[place - 1];
	filter->terms[place] = *term;
}

static int parse_value(struct event_filter *filter, u8 key, bool negated,
		       struct span value, struct word_complaint *complaint)
{
	struct filter_term term;

	if (filter->count == FILTER_TERMS_MAX)
		return refuse(complaint, value,
			      __stringify(FILTER_TERMS_MAX) " values at most");
	memset(&term, 0, sizeof(term));
	term.key = key;
	term.negated = negated;
	if (!syntaxes[key]->read(value, &term))
		return refuse(complaint, value, syntaxes[key]->allowed);
	filter->addresses |= syntaxes[key] == &address_syntax;
	insert_term(filter, &term);
	return 0;
}

static int key_of(struct span name)
{
	int key;

	for (key = 0; key < KEY_END; key++)
		if (span_is(name, key_names[key]))
			return key;
	return -EINVAL;
}

static int parse_word(struct event_filter *filter, struct span word,
		      struct word_complaint *complaint)
{
	static const char allowed[] = {
		"a word is KEY=VALUE,... or KEY!=VALUE,... and the keys are port, lport, rport, addr, laddr, raddr, netns, state, cookie"
	};
	struct span rest = word;
	struct span name = take_until(&rest, '=');
	bool negated;
	int key, err;

	negated = name.length && name.text[name.length - 1] == '!';
	name.length -= negated;
	key = key_of(name);
	if (key < 0 || !rest.length)
		return refuse(complaint, word, allowed);
	while (rest.length) {
		struct span value;

		rest.text++;	/* the = or the comma */
		rest.length--;
		value = take_until(&rest, ',');
		if (!value.length)
			return refuse(complaint, word, syntaxes[key]->allowed);
		err = parse_value(filter, key, negated, value, complaint);
		if (err)
			return err;
	}
	return 0;
}

static struct span next_word(const char *text)
{
	struct span word = { .text = text + strspn(text, blanks) };

	word.length = strcspn(word.text, blanks);
	return word;
}

static bool is_only_none(const char *text)
{
	struct span word = next_word(text);

	return span_is(word, "none") &&
	       !next_word(word.text + word.length).length;
}

/**
 * event_filter_parse - compile a filter
 * @filter: gets it, every byte of it
 * @text: what was written, ends with a NUL
 * @complaint: gets the offending word if there is one
 *
 * Context: process context.
 * Return: 0, or -EINVAL with @complaint filled and nothing useful in @filter.
 */
int event_filter_parse(struct event_filter *filter, const char *text,
		       struct word_complaint *complaint)
{
	struct span word;
	int err;

	memset(filter, 0, sizeof(*filter));
	if (is_only_none(text))
		return 0;
	for (;;) {
		word = next_word(text);
		if (!word.length)
			return 0;
		err = parse_word(filter, word, complaint);
		if (err)
			return err;
		text = word.text + word.length;
	}
}
EXPORT_SYMBOL_IF_KUNIT(event_filter_parse);

/* ---- printing --------------------------------------------------------- */

static size_t print_address(const struct filter_term *term, char *text,
			    size_t room)
{
	const struct in6_addr *address = &term->address;
	unsigned int bits = term->prefix;
	size_t length;

	if (bits >= IPV4_PREFIX && ipv6_addr_v4mapped(address)) {
		length = scnprintf(text, room, "%pI4", &address->s6_addr32[3]);
		if (bits == 128)
			return length;
		bits -= IPV4_PREFIX;
	} else {
		length = scnprintf(text, room, "%pI6c", address);
		if (bits == 128)
			return length;
	}
	return length + scnprintf(text + length, room - length, "/%u", bits);
}

static size_t print_value(const struct filter_term *term, char *text,
			  size_t room)
{
	switch (term->key) {
	case KEY_ADDR:
	case KEY_LADDR:
	case KEY_RADDR:
		return print_address(term, text, room);
	case KEY_STATE:
		return scnprintf(text, room, "%s",
				 event_state_name(term->number));
	case KEY_COOKIE:
		return scnprintf(text, room, "%llx", term->number);
	default:
		return scnprintf(text, room, "%llu", term->number);
	}
}

static bool same_word(const struct filter_term *term,
		      const struct filter_term *before)
{
	return term->key == before->key && term->negated == before->negated;
}

/**
 * event_filter_print - write a filter as text that compiles to an equal one
 * @filter: the filter
 * @text: gets it with a NUL and no newline; `none` if everything gets through
 * @room: bytes at @text; with 4096 nothing is cut off
 *
 * Context: any.
 * Return: the text's length in bytes, the NUL not counted.
 */
size_t event_filter_print(const struct event_filter *filter, char *text,
			  size_t room)
{
	size_t length = 0;
	unsigned int i;

	if (!filter->count)
		return scnprintf(text, room, "none");
	for (i = 0; i < filter->count; i++) {
		const struct filter_term *term = &filter->terms[i];

		if (i && same_word(term, term - 1))
			length += scnprintf(text + length, room - length, ",");
		else
			length += scnprintf(text + length, room - length,
					    "%s%s%s", i ? " " : "",
					    key_names[term->key],
					    term->negated ? "!=" : "=");
		length += print_value(term, text + length, room - length);
	}
	return length;
}
EXPORT_SYMBOL_IF_KUNIT(event_filter_print);

/* ---- whose event ------------------------------------------------------ */

/**
 * filter_subject_of_sock - who a socket is
 * @subject: gets it
 * @sk: a TCP socket of any sort: full, request or TIME-WAIT
 * @addresses: the addresses too
 *
 * The ends and the state are those that event_capture_sock() records, but of a
 * state event the state that is being left.
 *
 * Context: any in which @sk cannot be freed.
 */
void filter_subject_of_sock(struct filter_subject *subject,
			    const struct sock *sk, bool addresses)
{
	u8 state = READ_ONCE(sk->sk_state);
	u8 family;	/* is in the addresses, too */

	subject->cookie = atomic64_read(&sk->sk_cookie);
	subject->netns = sock_net(sk)->ns.inum;
	subject->state = state;
	subject->listens = state == TCP_LISTEN;
	subject->remote_port = ntohs(sk->sk_dport);
	if (addresses)
		capture_addresses(sk, &subject->local_addr,
				  &subject->remote_addr, &family);
	if (state == TCP_NEW_SYN_RECV) {
		subject->state = TCP_SYN_RECV;
		subject->local_port = inet_rsk(inet_reqsk(sk))->ir_num;
	} else if (state == TCP_TIME_WAIT) {
		subject->state = READ_ONCE(inet_twsk(sk)->tw_substate);
		subject->local_port = ntohs(inet_twsk(sk)->tw_sport);
	} else {
		subject->local_port = ntohs(inet_sk(sk)->inet_sport);
	}
}
EXPORT_SYMBOL_IF_KUNIT(filter_subject_of_sock);

/**
 * filter_subject_of_event - who a record is about
 * @subject: gets it
 * @event: a record that has its ends already
 *
 * Context: any.
 */
void filter_subject_of_event(struct filter_subject *subject,
			     const struct tcp_event *event)
{
	subject->cookie = event->cookie;
	subject->netns = event->netns;
	subject->state = event->state;
	subject->listens = event->state == TCP_LISTEN && !event->remote_port;
	subject->local_port = event->local_port;
	subject->remote_port = event->remote_port;
	subject->local_addr = event->local_addr;
	subject->remote_addr = event->remote_addr;
}
EXPORT_SYMBOL_IF_KUNIT(filter_subject_of_event);

/* ---- yes or no -------------------------------------------------------- */

/* 0.0.0.0, also as ::ffff:0.0.0.0, or :: */
static bool is_any_address(const struct in6_addr *address)
{
	return !address->s6_addr32[3] &&
	       (ipv6_addr_any(address) || ipv6_addr_v4mapped(address));
}

/* ::/0 is all of IPv6, and not IPv4, which is 0.0.0.0/0. */
static bool address_hits(const struct filter_term *term,
			 const struct in6_addr *address)
{
	if (term->prefix < IPV4_PREFIX && ipv6_addr_v4mapped(address))
		return false;
	return ipv6_prefix_equal(&term->address, address, term->prefix);
}

static bool term_hits(const struct filter_term *term,
		      const struct filter_subject *subject)
{
	switch (term->key) {
	case KEY_PORT:
		return term->number == subject->local_port ||
		       term->number == subject->remote_port;
	case KEY_LPORT:
		return term->number == subject->local_port;
	case KEY_RPORT:
		return term->number == subject->remote_port;
	case KEY_ADDR:
		return address_hits(term, &subject->local_addr) ||
		       (!subject->listens &&
			address_hits(term, &subject->remote_addr));
	case KEY_LADDR:
		return address_hits(term, &subject->local_addr);
	case KEY_RADDR:
		return !subject->listens &&
		       address_hits(term, &subject->remote_addr);
	case KEY_NETNS:
		return term->number == subject->netns;
	case KEY_STATE:
		return term->number == subject->state;
	default:
		return term->number == subject->cookie;
	}
}

/* What a listener cannot say of the connection it is about to take. */
static bool is_unknown(u8 key, const struct filter_subject *subject)
{
	if (!subject->listens)
		return false;
	return key == KEY_RPORT || key == KEY_RADDR || key == KEY_ADDR ||
	       (key == KEY_LADDR && is_any_address(&subject->local_addr));
}

/* The terms of one key, from *place on, which is moved behind them. */
static bool key_agrees(const struct event_filter *filter, unsigned int *place,
		       const struct filter_subject *subject)
{
	u8 key = filter->terms[*place].key;
	bool wanted = false;
	bool met = false;

	for (; *place < filter->count; ++*place) {
		const struct filter_term *term = &filter->terms[*place];
		bool hit;

		if (term->key != key)
			break;
		hit = term_hits(term, subject);
		if (hit && term->negated)
			return false;
		wanted |= !term->negated;
		met |= hit;
	}
	return !wanted || met || is_unknown(key, subject);
}

/**
 * event_filter_matches - is this event wanted?
 * @filter: the filter
 * @subject: whose event it is
 *
 * Context: any.
 * Return: yes or no.
 */
bool event_filter_matches(const struct event_filter *filter,
			  const struct filter_subject *subject)
{
	unsigned int place = 0;

	while (place < filter->count)
		if (!key_agrees(filter, &place, subject))
			return false;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(event_filter_matches);
