package documents

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/swim"
)

// Snapshot is the node's status with the state of its host.
type Snapshot struct {
	node.Status
	Ready       bool
	Reasons     []string      // why it is not ready, or not in normal mode.
	Warnings    []string      // problems that do not keep it from serving.
	CertExpires time.Time     // when the node's certificate ends; zero: it has none.
	Recorder    string        // the state of its recorder; empty: it has none.
	Started     time.Time     // wall time of Status.Started,
	Uptime      time.Duration // and the monotonic time since.
}

// Status is the whole state of a node of this version of the program.
func Status(snap *Snapshot, version string) api.Status {
	st := api.Status{
		ID: snap.ID.String(), Name: snap.Name, Address: snap.Addr, Cluster: snap.Cluster, Version: version,
		Mode: snap.Mode.String(), Reasons: append([]string{}, snap.Reasons...), Ready: snap.Ready,
		UptimeSeconds: int64(snap.Uptime.Seconds()), Started: snap.Started.UTC(), Timestamp: snap.Clock.String(),
		Members: Members(snap), Peers: []api.Peer{}, Counters: counters(&snap.Counters),
		Bootstrap: bootstrap(snap.Bootstrap), Voters: Voters(&snap.Status),
		Digest: fmt.Sprintf("%016x", snap.Digest), Keys: snap.Keys,
		LocalHealth: snap.LocalHealth, Clash: snap.Clash, Retired: snap.Retired, Warnings: snap.Warnings,
		Recorder: snap.Recorder,
	}
	if !snap.CertExpires.IsZero() {
		end := snap.CertExpires.UTC()
		st.CertificateExpires = &end
	}
	for _, m := range snap.Members {
		if m.State == swim.Alive {
			st.Alive++
		}
	}
	for _, p := range snap.Peers {
		peer := api.Peer{
			ID: p.ID.String(), QueueEntries: p.QueueEntries, QueueBytes: p.QueueBytes, Dropped: p.Dropped,
			AckMillisAgo:   millisSince(p.LastAck, snap.Status.Started+snap.Uptime),
			EqualMillisAgo: millisSince(p.LastEqual, snap.Status.Started+snap.Uptime), HintsFull: p.HintsFull,
			HintsExpired: p.HintsExpired,
		}
		if p.Away > 0 {
			away := p.Away.Milliseconds()
			peer.AwayMillis = &away
		}
		if p.ClockMeasured {
			offset, give := p.ClockOffset.Milliseconds(), p.ClockError.Milliseconds()
			peer.ClockOffsetMillis, peer.ClockErrorMillis = &offset, &give
		}
		st.Peers = append(st.Peers, peer)
	}
	return st
}

func bootstrap(b *node.BootstrapStatus) *api.Bootstrap {
	if b == nil {
		return nil
	}
	out := &api.Bootstrap{
		Phase: b.Phase, Serving: b.Serving, Resumed: b.Resumed, KeysDone: b.KeysDone, KeysTotal: b.KeysAll,
		BytesDone:  b.BytesDone,
		BytesTotal: b.BytesAll, Band: b.Band, Bands: b.Bands, Rate: b.Rate,
	}
	if b.Server != 0 {
		out.Server = b.Server.String()
	}
	if b.ETA > 0 {
		eta := int64(b.ETA.Seconds())
		out.ETASeconds = &eta
	}
	return out
}

// millisSince is the time between two monotonic readings; nil when the first one never was.
func millisSince(then, now time.Duration) *int64 {
	if then == 0 {
		return nil
	}
	ms := max(now-then, 0).Milliseconds()
	return &ms
}

// counters names each field of node.Counters in snake case, so that a new counter appears by itself.
func counters(c *node.Counters) map[string]uint64 {
	out := map[string]uint64{}
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Uint64 {
			out[snake(v.Type().Field(i).Name)] = v.Field(i).Uint()
		}
	}
	return out
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
