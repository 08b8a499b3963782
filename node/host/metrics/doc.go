// Package metrics counts what a node does and shows it to Prometheus, in the text format of GET /metrics.
//
// Names, types and units below are stable: they are added to, never renamed. Seconds and bytes are the only units. The
// core's counters are read from a snapshot when the metrics are read, and cost nothing in between; only requests and
// persists are observed as they happen.
//
//	| name | type | labels | what |
//	|---|---|---|---|
//	| kvs_requests_total | counter | op, level, code | requests for values and listings; code: ok or the problem |
//	| kvs_request_duration_seconds | histogram | op, level | from the whole request to the whole answer |
//	| kvs_requests_in_flight | gauge | | operations that wait for the core |
//	| kvs_persist_duration_seconds | histogram | | one transaction with its fsync |
//	| kvs_persist_failures_total | counter | | transactions that the store refused or failed |
//	| kvs_group_commit_ops | histogram | | changes that shared one fsync |
//	| kvs_operations_total | counter | kind | operations through the core: read, write; eventual reads go around it |
//	| kvs_replication_records_total | counter | direction | records: out (acknowledged), in |
//	| kvs_replication_received_total | counter | result | records received: merged, stale |
//	| kvs_replication_queue_bytes | gauge | peer | what waits for the peer's acknowledgement |
//	| kvs_replication_queue_entries | gauge | peer | the same, in paths |
//	| kvs_replication_queue_dropped_total | counter | | entries dropped because a queue was full |
//	| kvs_replication_ack_age_seconds | gauge | peer | since the peer last acknowledged something; absent: never |
//	| kvs_hints_dropped_total | counter | reason | writes kept for an absent member and dropped: full, expired |
//	| kvs_conflicts_total | counter | rule, settled | decisions about conflicts, again whenever more is known of one |
//	| kvs_conflicts_met_total | counter | | conflicts met |
//	| kvs_conflict_changes_total | counter | | slots with several candidates stored |
//	| kvs_conflicts_settled_total | counter | rule | conflicts with a final winner: majority, oldest, linearizable |
//	| kvs_conflicts_forgotten_total | counter | reason | kept conflicts dropped: full, expired |
//	| kvs_quorum_restamps_total | counter | | quorum writes stamped anew, above versions of a majority |
//	| kvs_rounds_total | counter | result | linearizable rounds: begun, fast, direct, combined, retried, unknown |
//	| kvs_forwards_total | counter | outcome | handed to another member: answered, declined, taken_over |
//	| kvs_forwards_in_total | counter | | linearizable operations run for other members |
//	| kvs_round_trips_total | counter | phase | questions to all voters: look, prepare, accept; one round trip each |
//	| kvs_sync_rounds_total | counter | | comparisons with a peer |
//	| kvs_sync_records_total | counter | direction | records that comparisons moved: pulled, pushed |
//	| kvs_index_repairs_total | counter | | records whose entry in the index was corrected, rotten ones included |
//	| kvs_bootstrap_pulled_total | counter | unit | pulled as a newcomer: pages, keys |
//	| kvs_bootstrap_bytes | gauge | state | a bootstrap under way: done, total; absent: none is |
//	| kvs_values_expired_total | counter | | values that this node ended, because their time was up |
//	| kvs_tombstones_dropped_total | counter | | tombstones collected, because every member had them |
//	| kvs_messages_total | counter | transport, result | messages from members: in, bad, late |
//	| kvs_claims_total | counter | result | asked, denied (lasting claims in a member's name) |
//	| kvs_messages_other_cluster_total | counter | what | message (of another cluster), founding (of the same name) |
//	| kvs_datagrams_total | counter | result | of the socket; in_refused: sealed by no member |
//	| kvs_frames_total | counter | result | frames to peers: sent, dropped, stale, lost |
//	| kvs_frame_batches_total | counter | result | posts and stream writes: delivered, failed |
//	| kvs_frame_bytes_total | counter | | delivered to peers |
//	| kvs_frame_queue_bytes | gauge | | frames that wait for peers |
//	| kvs_frame_streams | gauge | direction | streams to peers (out) and of peers (in) |
//	| kvs_members | gauge | state | members known: alive, suspect, dead, left |
//	| kvs_mode | gauge | mode | 1 for the mode the node is in |
//	| kvs_mode_reason | gauge | reason | 1 for each reason why it is not normal |
//	| kvs_ready | gauge | | 1 when clients may be sent here |
//	| kvs_uptime_seconds | gauge | | since the start |
//	| kvs_clock_lead_seconds | gauge | | highest timestamp seen, ahead of the wall clock |
//	| kvs_clock_offset_seconds | gauge | peer | by how much the peer's wall clock is ahead; absent: not measured |
//	| kvs_local_health | gauge | | how slow this node finds itself, which makes it patient with others; 0 is well |
//	| kvs_config_epoch | gauge | | of the configuration in force; absent: none is |
//	| kvs_store_bytes | gauge | | what the data folder occupies |
//	| kvs_store_free_bytes | gauge | | what is free on its file system |
//	| kvs_store_tables | gauge | | sorted files of the store |
//	| kvs_certificate_expires_timestamp_seconds | gauge | | end of the certificate or its authority, Unix time |
//	| kvs_recorder_recording | gauge | | 1 while the flight recorder records, else 0; absent: there is none |
//	| kvs_recorder_bytes | gauge | | what its files occupy |
//	| kvs_recorder_recorded_bytes_total | counter | | what it has recorded |
//	| kvs_recorder_gaps_total | counter | | how often something is missing: the disk was slow, or a step large |
//	| kvs_refusals_total | counter | limit | requests and connections refused at the edge, by the limit |
//	| kvs_watchers | gauge | | clients that watch |
//	| kvs_watch_queued_paths | gauge | | changes that wait for watchers |
//	| kvs_watch_log_changes | gauge | | changes in the log for watchers that come back; 0 also while it is not kept |
//	| kvs_watch_events_total | counter | | puts and deletes that watchers were shown |
//	| kvs_watch_begun_total | counter | with | watches that began: snapshot, token |
//	| kvs_watch_ended_total | counter | reason | refused: full; cut off: behind (the log), slow (to read) |
//	| kvs_tls_handshake_failures_total | counter | | connections that did not become secure |
//	| kvs_scrape_failures_total | counter | source | snapshot, store: did not answer; its values are old or absent |
//	| kvs_build_info | gauge | version, go | always 1 |
//
// The results of kvs_datagrams_total are in, in_oversize, in_dropped, in_refused, in_replayed, out, out_oversize,
// unresolved and error. The limits of kvs_refusals_total are connections_per_address, requests_per_second,
// body_bytes_max and connections.
//
// The metrics go_* and process_* of the Prometheus client are served as well.
//
// It is not a log. Begin with New; counters.go has the table of the core's counters.
package metrics
