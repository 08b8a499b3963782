package metrics

import (
	"reflect"

	"github.com/prometheus/client_golang/prometheus"

	"kvs/node"
)

// counter is the metric of a field of node.Counters. A new field needs a line here, and one in doc.go if the name is
// new; a test checks both.
type counter struct {
	field string
	name  string
	label string // empty: none; several are separated by commas,
	value string // and so are their values.
	help  string
}

const forwardsHelp = "Linearizable operations that another member was asked to run."

// Counters of one name have the same label and help.
var counters = []counter{
	{"Reads", "kvs_operations_total", "kind", "read", "Operations through the core; eventual reads go around it."},
	{"Writes", "kvs_operations_total", "kind", "write", "Operations through the core; eventual reads go around it."},
	{"ReplicatedOut", "kvs_replication_records_total", "direction", "out",
		"Records sent and acknowledged (out) or received (in)."},
	{"ReplicatedIn", "kvs_replication_records_total", "direction", "in",
		"Records sent and acknowledged (out) or received (in)."},
	{"Merged", "kvs_replication_received_total", "result", "merged",
		"Records received that won, or that lost or were known."},
	{"Stale", "kvs_replication_received_total", "result", "stale",
		"Records received that won, or that lost or were known."},
	{"Restamped", "kvs_quorum_restamps_total", "", "", "Quorum writes stamped anew, above versions of a majority."},
	{"QueueDropped", "kvs_replication_queue_dropped_total", "", "", "Entries dropped because a queue was full."},
	{"HintsFull", "kvs_hints_dropped_total", "reason", "full", "Writes kept for an absent member and dropped."},
	{"HintsExpired", "kvs_hints_dropped_total", "reason", "expired", "Writes kept for an absent member and dropped."},
	{"ConflictsSeen", "kvs_conflicts_met_total", "", "", "Conflicts met."},
	{"ConflictChanges", "kvs_conflict_changes_total", "", "", "Slots with several candidates stored."},
	{"ConflictsMajority", "kvs_conflicts_settled_total", "rule", "majority", "Conflicts with a final winner."},
	{"ConflictsOldest", "kvs_conflicts_settled_total", "rule", "oldest", "Conflicts with a final winner."},
	{"ConflictsLinearizable", "kvs_conflicts_settled_total", "rule", "linearizable", "Conflicts with a final winner."},
	{"ConflictsDropped", "kvs_conflicts_forgotten_total", "reason", "full", "Kept conflicts dropped."},
	{"ConflictsExpired", "kvs_conflicts_forgotten_total", "reason", "expired", "Kept conflicts dropped."},
	{"Rounds", "kvs_rounds_total", "result", "begun", "Rounds of linearizable operations."},
	{"RoundsFast", "kvs_rounds_total", "result", "fast", "Rounds of linearizable operations."},
	{"RoundsRetried", "kvs_rounds_total", "result", "retried", "Rounds of linearizable operations."},
	{"RoundsUnknown", "kvs_rounds_total", "result", "unknown", "Rounds of linearizable operations."},
	{"RoundsCombined", "kvs_rounds_total", "result", "combined", "Rounds of linearizable operations."},
	{"RoundsDirect", "kvs_rounds_total", "result", "direct", "Rounds of linearizable operations."},
	{"ForwardsAnswered", "kvs_forwards_total", "outcome", "answered", forwardsHelp},
	{"ForwardsDeclined", "kvs_forwards_total", "outcome", "declined", forwardsHelp},
	{"ForwardsTakenOver", "kvs_forwards_total", "outcome", "taken_over", forwardsHelp},
	{"ForwardsIn", "kvs_forwards_in_total", "", "", "Linearizable operations run for other members."},
	{"RoundLooks", "kvs_round_trips_total", "phase", "look",
		"Questions of linearizable operations to all voters: one round trip each."},
	{"RoundPrepares", "kvs_round_trips_total", "phase", "prepare",
		"Questions of linearizable operations to all voters: one round trip each."},
	{"RoundAccepts", "kvs_round_trips_total", "phase", "accept",
		"Questions of linearizable operations to all voters: one round trip each."},
	{"SyncRounds", "kvs_sync_rounds_total", "", "", "Comparisons with a peer."},
	{"SyncPulled", "kvs_sync_records_total", "direction", "pulled", "Records that comparisons moved."},
	{"SyncPushed", "kvs_sync_records_total", "direction", "pushed", "Records that comparisons moved."},
	{"ScrubRepairs", "kvs_index_repairs_total", "", "",
		"Records whose entry in the index was corrected, rotten ones included."},
	{"BootstrapPages", "kvs_bootstrap_pulled_total", "unit", "pages", "What this node pulled as a newcomer."},
	{"BootstrapKeys", "kvs_bootstrap_pulled_total", "unit", "keys", "What this node pulled as a newcomer."},
	{"Expired", "kvs_values_expired_total", "", "", "Values that this node ended."},
	{"TombstonesDropped", "kvs_tombstones_dropped_total", "", "", "Tombstones that every member had."},
	{"DatagramsIn", "kvs_messages_total", metricTransport, "datagram,in", "Messages from members."},
	{"DatagramsBad", "kvs_messages_total", metricTransport, "datagram,bad", "Messages from members."},
	{"FramesIn", "kvs_messages_total", metricTransport, "frame,in", "Messages from members."},
	{"FramesBad", "kvs_messages_total", metricTransport, "frame,bad", "Messages from members."},
	{"FramesForeign", "kvs_messages_total", metricTransport, "frame,impostor", "Messages from members."},
	{"ClaimsAsked", "kvs_claims_total", "result", "asked",
		"Lasting claims in a member's name: asked about, and denied."},
	{"ClaimsDenied", "kvs_claims_total", "result", "denied",
		"Lasting claims in a member's name: asked about, and denied."},
	{"FramesLate", "kvs_messages_total", metricTransport, "frame,late", "Messages from members."},
	{"OtherCluster", "kvs_messages_other_cluster_total", "what", "message",
		"Messages and foundings of other clusters."},
	{"OtherFounding", "kvs_messages_other_cluster_total", "what", "founding",
		"Messages and foundings of other clusters."},
}

// metricTransport are the labels of messages.
const metricTransport = "transport,result"

// summed are fields that are sums of other fields in the table.
var summed = map[string]bool{"ConflictsSettled": true}

// counterSeries is a line of the table, ready to be read.
type counterSeries struct {
	desc   *prometheus.Desc
	index  int // of the field in node.Counters.
	values []string
}

func counterTable() []counterSeries {
	descs := map[string]*prometheus.Desc{}
	typ := reflect.TypeFor[node.Counters]()
	out := make([]counterSeries, 0, len(counters))
	for _, c := range counters {
		field, ok := typ.FieldByName(c.field)
		if !ok || field.Type.Kind() != reflect.Uint64 {
			panic("kvs: broken invariant: node.Counters has no counter " + c.field)
		}
		if descs[c.name] == nil {
			descs[c.name] = prometheus.NewDesc(c.name, c.help, split(c.label), nil)
		}
		out = append(out, counterSeries{descs[c.name], field.Index[0], split(c.value)})
	}
	return out
}
