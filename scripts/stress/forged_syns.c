// SPDX-License-Identifier: GPL-2.0
/*
 * SYNs that nobody follows up, many and fast, for a test's own network namespace.
 *
 *	forged_syns NETWORK TARGET PORT COUNT
 *
 * Each comes from another address: NETWORK's plus 1, 2, 3, ... COUNT. NETWORK and
 * TARGET are IPv4 or IPv6 addresses. The host that runs this must own none of
 * these addresses, and have no way back to them: the SYN-ACKs are for nobody.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define WINDOW		64240
#define FIRST_PORT	1024
#define PORTS		64000

/**
 * struct ends - where a SYN comes from and goes to
 * @ipv6: of which family
 * @source: address, as in a packet; of IPv4 the first 4 bytes count
 * @target: the same
 * @source_port: host order
 * @target_port: the same
 */
struct ends {
	bool ipv6;
	unsigned char source[16];
	unsigned char target[16];
	unsigned short source_port;
	unsigned short target_port;
};

union packet {
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} ipv4;
	struct {
		struct ip6_hdr ip;
		struct tcphdr tcp;
	} ipv6;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static bool parse(const char *text, unsigned char *address)
{
	if (inet_pton(AF_INET, text, address) == 1)
		return false;
	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	fprintf(stderr, "no address: %s\n", text);
	exit(2);
}

static unsigned int sum_of(const void *data, size_t bytes)
{
	const unsigned char *byte = data;
	unsigned int sum = 0;

	for (; bytes; bytes -= 2, byte += 2)
		sum += byte[0] << 8 | byte[1];
	return sum;
}

/* The Internet checksum, RFC 1071, with the addresses' part of it. */
static void set_checksum(struct tcphdr *tcp, const struct ends *ends)
{
	size_t address_bytes = ends->ipv6 ? 16 : 4;
	unsigned int sum = IPPROTO_TCP + sizeof(*tcp);

	tcp->check = 0;
	sum += sum_of(ends->source, address_bytes);
	sum += sum_of(ends->target, address_bytes);
	sum += sum_of(tcp, sizeof(*tcp));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	tcp->check = htons(~sum);
}

static void make_segment(struct tcphdr *tcp, const struct ends *ends,
			 unsigned int seq)
{
	*tcp = (struct tcphdr) {
		.source = htons(ends->source_port),
		.dest = htons(ends->target_port),
		.seq = htonl(seq),
		.doff = sizeof(*tcp) / 4,
		.syn = 1,
		.window = htons(WINDOW),
	};
	set_checksum(tcp, ends);
}

/* The kernel fills in the length and the checksum of IPv4's header. */
static size_t make_packet(union packet *packet, const struct ends *ends,
			  unsigned int seq)
{
	memset(packet, 0, sizeof(*packet));
	if (ends->ipv6) {
		packet->ipv6.ip.ip6_flow = htonl(6 << 28);
		packet->ipv6.ip.ip6_plen = htons(sizeof(struct tcphdr));
		packet->ipv6.ip.ip6_nxt = IPPROTO_TCP;
		packet->ipv6.ip.ip6_hlim = 64;
		memcpy(&packet->ipv6.ip.ip6_src, ends->source, 16);
		memcpy(&packet->ipv6.ip.ip6_dst, ends->target, 16);
		make_segment(&packet->ipv6.tcp, ends, seq);
		return sizeof(packet->ipv6);
	}
	packet->ipv4.ip.version = 4;
	packet->ipv4.ip.ihl = 5;
	packet->ipv4.ip.ttl = 64;
	packet->ipv4.ip.protocol = IPPROTO_TCP;
	memcpy(&packet->ipv4.ip.saddr, ends->source, 4);
	memcpy(&packet->ipv4.ip.daddr, ends->target, 4);
	make_segment(&packet->ipv4.tcp, ends, seq);
	return sizeof(packet->ipv4);
}

static int raw_socket(const struct ends *ends)
{
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in ipv4 = { .sin_family = AF_INET };
	int fd = socket(ends->ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		die("socket");
	memcpy(&ipv6.sin6_addr, ends->target, 16);
	memcpy(&ipv4.sin_addr, ends->target, 4);
	if (ends->ipv6 ? connect(fd, (void *)&ipv6, sizeof(ipv6)) :
			 connect(fd, (void *)&ipv4, sizeof(ipv4)))
		die("connect");
	return fd;
}

static void next_source(struct ends *ends)
{
	int place = ends->ipv6 ? 15 : 3;

	while (!++ends->source[place])
		place--;
}

int main(int argc, char **argv)
{
	struct ends ends = { 0 };
	union packet packet;
	int fd, count, i;

	if (argc != 5) {
		fputs("usage: forged_syns NETWORK TARGET PORT COUNT\n", stderr);
		return 2;
	}
	ends.ipv6 = parse(argv[2], ends.target);
	if (parse(argv[1], ends.source) != ends.ipv6)
		return 2;
	ends.target_port = atoi(argv[3]);
	count = atoi(argv[4]);
	fd = raw_socket(&ends);
	for (i = 0; i < count; i++) {
		size_t bytes;

		next_source(&ends);
		ends.source_port = FIRST_PORT + i % PORTS;
		bytes = make_packet(&packet, &ends, i * 2654435761u);
		if (send(fd, &packet, bytes, 0) < 0)
			die("send");
	}
	return 0;
}
