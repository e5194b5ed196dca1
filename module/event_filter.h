/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which connections: text in, a compiled filter out, then yes or no.
 */
#ifndef RENOSCOPE_EVENT_FILTER_H
#define RENOSCOPE_EVENT_FILTER_H

#include <linux/in6.h>
#include <linux/types.h>

struct sock;
struct tcp_event;
struct word_complaint;

/* With so many terms even the longest print on one page. */
#define FILTER_TERMS_MAX	64

/**
 * struct filter_term - one value of one key
 * @key: an enum filter_key of event_filter.c
 * @negated: it must not be this one
 * @prefix: of addresses: how many bits count, from 0 to 128
 * @number: of all but addresses
 * @address: of addresses, IPv4 as ::ffff:a.b.c.d, the bits beyond @prefix zero
 */
struct filter_term {
	u8 key;
	bool negated;
	u8 prefix;
	u64 number;
	struct in6_addr address;
};

/**
 * struct event_filter - a compiled filter
 * @count: how many of @terms there are; none lets everything through
 * @addresses: some are about addresses
 * @terms: in the order of their keys
 */
struct event_filter {
	unsigned int count;
	bool addresses;
	struct filter_term terms[FILTER_TERMS_MAX];
};

/**
 * struct filter_subject - whose event it is, as far as filters ask
 * @cookie: connection id, 0 if there is none
 * @netns: inode of the network namespace
 * @state: a number of include/net/tcp_states.h
 * @listens: a listener, which may be about to meet any peer
 * @local_port: in host order
 * @remote_port: in host order
 * @local_addr: IPv4 as ::ffff:a.b.c.d
 * @remote_addr: the same
 */
struct filter_subject {
	u64 cookie;
	u32 netns;
	u8 state;
	bool listens;
	u16 local_port;
	u16 remote_port;
	struct in6_addr local_addr;
	struct in6_addr remote_addr;
};

int event_filter_parse(struct event_filter *filter, const char *text,
		       struct word_complaint *complaint);
size_t event_filter_print(const struct event_filter *filter, char *text,
			  size_t room);
bool event_filter_matches(const struct event_filter *filter,
			  const struct filter_subject *subject);
void filter_subject_of_sock(struct filter_subject *subject,
			    const struct sock *sk, bool addresses);
void filter_subject_of_event(struct filter_subject *subject,
			     const struct tcp_event *event);

#endif /* RENOSCOPE_EVENT_FILTER_H */
