// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that change the congestion control of the same live connections, while
 * they send on them and ask what is there.
 *
 *	switch_storm serve ADDRESS PORT
 *	switch_storm storm ADDRESS PORT THREADS SECONDS
 *
 * The server reads all until its standard input ends, and prints the bytes. The
 * storm prints what it did, and every call that failed, as JSON. No data is sent
 * on a connection that is aborted, so that both must count the same bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* In place of netinet/tcp.h, whose struct tcp_info is an older one. */
#include <linux/tcp.h>
#include <linux/inet_diag.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define MOST_THREADS	64
#define BURST_BYTES	16384
#define SHORT_BYTES	3000

static const char * const names[] = {
	"renoscope", "reno_textbook", "reno_modern", "reno", "cubic",
};

static struct sockaddr_storage address;
static socklen_t address_bytes;
static int steady[MOST_THREADS];
static int threads;
static time_t deadline;

static unsigned long done_set, done_get, done_info, done_bytes, done_short;
static unsigned long failed, received;

static void add(unsigned long *sum, unsigned long number)
{
	__atomic_add_fetch(sum, number, __ATOMIC_RELAXED);
}

static void complain(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	add(&failed, 1);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void parse_address(const char *text, const char *port)
{
	struct sockaddr_in6 *ipv6 = (void *)&address;
	struct sockaddr_in *ipv4 = (void *)&address;

	if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(atoi(port));
		address_bytes = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(atoi(port));
		address_bytes = sizeof(*ipv6);
	} else {
		fprintf(stderr, "no address: %s\n", text);
		exit(2);
	}
}

static int tcp_socket(int flags)
{
	int fd = socket(address.ss_family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

/* ---- the server ------------------------------------------------------- */

static void *read_all(void *argument)
{
	int fd = (intptr_t)argument;
	char data[65536];
	ssize_t bytes;

	while ((bytes = read(fd, data, sizeof(data))) > 0)
		add(&received, bytes);
	close(fd);
	return NULL;
}

static void *accept_all(void *argument)
{
	int listener = (intptr_t)argument;
	pthread_t thread;
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (pthread_create(&thread, NULL, read_all,
				   (void *)(intptr_t)fd))
			die("pthread_create");
		pthread_detach(thread);
	}
	return NULL;
}

static int serve(void)
{
	int listener = tcp_socket(0), on = 1;
	pthread_t thread;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (void *)&address, address_bytes) ||
	    listen(listener, 128))
		die("listen");
	if (pthread_create(&thread, NULL, accept_all,
			   (void *)(intptr_t)listener))
		die("pthread_create");
	puts("listens");
	fflush(stdout);
	while (getchar() != EOF)
		;
	printf("%lu\n", received);
	return 0;
}

/* ---- the storm -------------------------------------------------------- */

static void set_name(int fd, unsigned int *seed)
{
	const char *name = names[rand_r(seed) % ARRAY_SIZE(names)];

	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)))
		complain("setsockopt TCP_CONGESTION");
	add(&done_set, 1);
}

static void get_name(int fd)
{
	char name[16 + 1] = "";
	socklen_t bytes = 16;
	size_t i;

	add(&done_get, 1);
	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &bytes))
		return complain("getsockopt TCP_CONGESTION");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return;
	fprintf(stderr, "no such algorithm was set: %s\n", name);
	add(&failed, 1);
}

static void get_info(int fd)
{
	union tcp_cc_info cc_info;
	struct tcp_info info;
	socklen_t bytes = sizeof(cc_info);

	add(&done_info, 1);
	if (getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, &cc_info, &bytes) ||
	    bytes > sizeof(cc_info))
		complain("getsockopt TCP_CC_INFO");
	bytes = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes))
		complain("getsockopt TCP_INFO");
	else if (!info.tcpi_snd_cwnd || info.tcpi_snd_cwnd > 1000000)
		complain("a cwnd out of reason");
}

static void send_burst(int fd)
{
	static const char data[BURST_BYTES];
	ssize_t bytes = send(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);

	if (bytes > 0)
		add(&done_bytes, bytes);
	else if (errno != EAGAIN)
		complain("send");
}

/* Switched before the SYN, in SYN-SENT, and once more when it is there. */
static void short_connection(unsigned int *seed)
{
	struct linger abort = { .l_onoff = 1 };
	struct pollfd poll_for = { .events = POLLOUT };
	static const char data[SHORT_BYTES];
	int fd = tcp_socket(SOCK_NONBLOCK);

	set_name(fd, seed);
	if (connect(fd, (void *)&address, address_bytes) &&
	    errno != EINPROGRESS)
		complain("connect");
	set_name(fd, seed);
	get_info(fd);
	poll_for.fd = fd;
	poll(&poll_for, 1, 60000);
	set_name(fd, seed);
	if (rand_r(seed) % 2) {
		if (send(fd, data, sizeof(data), MSG_NOSIGNAL) == sizeof(data))
			add(&done_bytes, sizeof(data));
		else
			complain("send on a short connection");
		set_name(fd, seed);
	} else {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	}
	close(fd);
	add(&done_short, 1);
}

static void *storm_thread(void *argument)
{
	unsigned int seed = (intptr_t)argument;

	while (now() < deadline) {
		int fd = steady[rand_r(&seed) % threads];

		switch (rand_r(&seed) % 64) {
		case 0:
			short_connection(&seed);
			break;
		case 1 ... 8:
			send_burst(fd);
			break;
		case 9 ... 20:
			get_name(fd);
			break;
		case 21 ... 32:
			get_info(fd);
			break;
		default:
			set_name(fd, &seed);
			break;
		}
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t made[MOST_THREADS];
	int i;

	for (i = 0; i < threads; i++)
		if (pthread_create(&made[i], NULL, storm_thread,
				   (void *)(intptr_t)(i + 1)))
			die("pthread_create");
	for (i = 0; i < threads; i++)
		pthread_join(made[i], NULL);
}

/* The server closes when it has read all. */
static void finish(int fd)
{
	char byte;

	shutdown(fd, SHUT_WR);
	if (read(fd, &byte, 1))
		complain("no end of file");
	close(fd);
}

static int storm(int count, int seconds)
{
	int i;

	threads = count;
	for (i = 0; i < threads; i++) {
		steady[i] = tcp_socket(0);
		if (connect(steady[i], (void *)&address, address_bytes))
			die("connect");
	}
	deadline = now() + seconds;
	run_threads();
	for (i = 0; i < threads; i++)
		finish(steady[i]);
	printf("{\"set\": %lu, \"get\": %lu, \"info\": %lu, ",
	       done_set, done_get, done_info);
	printf("\"bytes\": %lu, \"short\": %lu, \"failed\": %lu}\n",
	       done_bytes, done_short, failed);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve")) {
		parse_address(argv[2], argv[3]);
		return serve();
	}
	if (argc == 6 && !strcmp(argv[1], "storm") &&
	    atoi(argv[4]) >= 1 && atoi(argv[4]) <= MOST_THREADS) {
		parse_address(argv[2], argv[3]);
		return storm(atoi(argv[4]), atoi(argv[5]));
	}
	fputs("usage: switch_storm serve ADDRESS PORT\n"
	      "       switch_storm storm ADDRESS PORT THREADS SECONDS\n", stderr);
	return 2;
}
