#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The machine sleeps and wakes while it records and is read.
#
# In a guest that has busybox and no other file, since the connection to the host's
# files (9p over virtio) does not outlive a suspend. Prints KTAP.
#
#	suspend.sh MODULE TIMES
#
# Two ways of sleeping, each up to the last step but one, from where the kernel wakes
# by itself (pm_test): nothing else would wake it, as QEMU's clock gives an alarm that
# counts only to a machine that is off. To idle: tasks are frozen, devices asleep. To
# memory: all CPUs but one are off, too.
#
# shellcheck disable=SC2317 # what play and wait_until are told to call
set -u
module=$1
times=$2
folder=/sys/kernel/debug/renoscope
power=/sys/power
delay=/sys/module/suspend/parameters/pm_test_delay
record_bytes=192
failed=0

written() { awk '$1 == "cpu" { sum += $4 } END { print sum + 0 }' $folder/stats; }
bytes() { wc -c </tmp/records; }

# wait_until WHAT COMMAND...: up to a minute.
wait_until() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ]; then
			echo "    # waited in vain for $what"
			return 1
		fi
		usleep 100000
	done
}

# Connections on loopback, one after the other, until the file is gone.
chatter() {
	while [ -e /tmp/chatter ]; do
		nc -l -p 5000 >/dev/null </dev/null &
		until echo 'Hello, world!' | nc -w 5 127.0.0.1 5000 2>/dev/null; do
			[ -e /tmp/chatter ] || return
			usleep 20000
		done
		wait $!
	done
}

begin() {
	insmod "$module" || return 1
	cat $folder/trace_raw >/tmp/records &
	reader=$!
	touch /tmp/chatter
	chatter &
	talker=$!
	wait_until "traffic" has_more_than 0
}

has_more_than() { [ "$(written)" -gt "$1" ]; }
all_is_read() { [ "$(bytes)" -eq $(($(written) * record_bytes)) ]; }

# On each CPU one serial follows the other, and no time lies before the last one.
in_order() {
	awk '{
		sub("cpu=", "", $2); sub("serial=", "", $3)
		if ($3 != serial[$2] + 1 || $1 < time[$2]) { print "    # " $0; wrong = 1 }
		serial[$2] = $3; time[$2] = $1
	} END { exit wrong || NR < 10 }' $folder/trace
}

# Traffic goes on, all of it was read, and the law and the order hold.
finish() {
	has=$(written)
	wait_until "traffic after the sleep" has_more_than $((has + 100)) || return 1
	rm /tmp/chatter
	wait "$talker"
	wait_until "the reader to have all" all_is_read || return 1
	kill -0 "$reader" || return 1
	in_order || return 1
	echo "    # $(written) written, $(($(bytes) / record_bytes)) read"
	kill "$reader"
	wait "$reader"
	rmmod tcp_renoscope
}

# fall_asleep STATE LAST_STEP
fall_asleep() {
	echo "$2" >"$power"/pm_test || return 1
	for _ in $(seq "$times"); do
		echo "$1" >"$power"/state || return 1
	done
	echo none >"$power"/pm_test
}

sleep_to_idle() { fall_asleep freeze platform; }
sleep_to_memory() { fall_asleep mem processors; }

# play NUMBER HOW TITLE
play() {
	if begin && $2 && finish; then
		echo "    ok $1 $3"
	else
		failed=1
		echo "    not ok $1 $3"
	fi
}

ip link set lo up
echo 1 >$delay
echo "KTAP version 1"
echo "1..1"
echo "    KTAP version 1"
echo "    # Subtest: suspend"
echo "    1..2"
play 1 sleep_to_idle "$times times asleep to idle under traffic: all is recorded and read, in order"
play 2 sleep_to_memory "$times times asleep to memory, CPUs off and on again: the same"
if [ $failed -eq 0 ]; then echo "ok 1 suspend"; else echo "not ok 1 suspend"; fi
exit $failed
