-- SPDX-License-Identifier: GPL-2.0
--
-- One row an event, from every host. The columns are fields of the record, under
-- their own names (Documentation/events.rst), as `renoscope export --format jsonl`
-- has them. Other fields are passed over at insertion: add a column to keep one. What
-- is not of an event's kind is 0 or empty, and takes next to no room.
--
-- `host` is added by whoever inserts. What is worked out at insertion stands last.
--
-- An event that is inserted twice, as when a recording is, or when a stream broke and
-- began again with what the ring still held, has the same key and is one: queries say
-- FINAL, and merges take the other away.
--
-- Tested with ClickHouse 18.16. Since 19.1 a column may be LowCardinality(String),
-- which suits all the words here.

CREATE DATABASE IF NOT EXISTS renoscope;

CREATE TABLE IF NOT EXISTS renoscope.events
(
    host             String,
    kind             String,
    time_ns          UInt64,        -- CLOCK_MONOTONIC of that host
    time_utc         String,        -- its wall clock, to the microsecond
    cpu              UInt16,
    serial           UInt64,
    lost_events      UInt64,        -- of lost: how many

    -- who
    cookie           UInt64,        -- the connection's id on that host
    netns            UInt32,
    listener         String,        -- id of the listener, as ss -e shows it
    family           UInt8,
    local_addr       String,
    local_port       UInt16,
    remote_addr      String,
    remote_port      UInt16,

    -- where it stood
    state            String,
    old_state        String,        -- of state, as are the next two:
    pid              UInt32,        -- the process in whose call it was, 0 for none
    comm             String,        -- and its name
    ca_state         String,
    old_ca_state     String,        -- of ca_state
    cwnd             UInt32,
    ssthresh         UInt32,
    srtt_us          UInt32,
    rttvar_us        UInt32,
    min_rtt_us       UInt32,
    rto_us           UInt32,
    backoff          UInt8,
    retransmits      UInt8,
    packets_out      UInt16,
    lost_out         UInt16,
    retrans_out      UInt16,
    sacked_out       UInt16,
    snd_wnd          UInt32,
    rcv_wnd          UInt32,
    seg_len          UInt32,
    seg_flags        Array(String),

    -- what is of one kind alone
    retransmit_cause String,        -- of retransmit
    retransmit_segs  UInt32,
    half_open        UInt32,        -- of a handshake: both queues before the event
    accept_queue     UInt32,
    accept_limit     UInt32,
    num_retrans      UInt8,         -- of synack_retransmit: 0 is the first
    num_timeout      UInt8,
    by_timer         UInt8,
    since_synack_us  UInt32,
    synack_type      String,        -- of synack
    refusal          String,        -- of refused
    request_ending   String,        -- of request_end
    cookie_verdict   String,        -- of cookie_checked
    reset_reason     String,        -- of reset_sent
    error            String,        -- of error
    window_side      String,        -- of zero_window
    window_change    String,
    time_wait_step   String,        -- of time_wait
    time_wait_ending String,        -- of time_wait_end
    bytes_acked      UInt64,        -- of destroy: the connection's sums
    bytes_received   UInt64,
    segs_out         UInt32,
    segs_in          UInt32,
    retrans_segs     UInt32,
    data_segs_out    UInt32,

    time             DateTime MATERIALIZED parseDateTimeBestEffortOrZero(time_utc),
    -- Both branches are worked out for each row, and later versions refuse text that is
    -- no address: that of the other family, and none, as of lost.
    peer_prefix      String MATERIALIZED if(family = 6,
        concat(cutIPv6(IPv6StringToNum(if(family = 6, remote_addr, '::')), 10, 0), '/48'),
        concat(IPv4NumToString(bitAnd(IPv4StringToNum(
            if(family = 4, remote_addr, '0.0.0.0')), 0xffffff00)), '/24'))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (kind, host, time_ns, cpu, serial);
