package metrics

import (
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kvs/node"
	"kvs/node/swim"
)

// status reads a node's snapshot whenever the metrics are read.
type status struct {
	opts     Options
	counters []counterSeries

	inFlight, ready, uptime, lead, epoch, mode, reason, members *prometheus.Desc
	queueBytes, queueEntries, ackAge, clockOffset               *prometheus.Desc
	localHealth                                                 *prometheus.Desc
	bootstrap                                                   *prometheus.Desc
	datagrams, frames, batches, frameBytes                      *prometheus.Desc
	frameQueue, streams                                         *prometheus.Desc
	certExpires, handshakes, refusals                           *prometheus.Desc
	watchers, watchQueued, watchChanges                         *prometheus.Desc
	watchEvents, watchStreams, watchEnded                       *prometheus.Desc
	storeBytes, freeBytes, tables                               *prometheus.Desc
	recording, recorded, recordedBytes, gaps                    *prometheus.Desc
	failures                                                    *prometheus.Desc

	sampleFailures, sizeFailures atomic.Uint64
}

func newStatus(o Options) *status {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &status{
		opts: o, counters: counterTable(),
		inFlight:     desc("kvs_requests_in_flight", "Operations that wait for the core."),
		ready:        desc("kvs_ready", "1 when clients may be sent here."),
		uptime:       desc("kvs_uptime_seconds", "Since the start."),
		lead:         desc("kvs_clock_lead_seconds", "Highest timestamp seen, ahead of the wall clock."),
		epoch:        desc("kvs_config_epoch", "Epoch of the configuration in force."),
		mode:         desc("kvs_mode", "1 for the mode the node is in.", "mode"),
		reason:       desc("kvs_mode_reason", "1 for each reason why the mode is not normal.", "reason"),
		members:      desc("kvs_members", "Members known.", "state"),
		queueBytes:   desc("kvs_replication_queue_bytes", "What waits for the peer's acknowledgement.", "peer"),
		queueEntries: desc("kvs_replication_queue_entries", "Paths that wait for the peer's acknowledgement.", "peer"),
		ackAge:       desc("kvs_replication_ack_age_seconds", "Since the peer last acknowledged something.", "peer"),
		clockOffset: desc("kvs_clock_offset_seconds", "How far the peer's wall clock is ahead of this node's.",
			"peer"),
		localHealth: desc("kvs_local_health", "How slow this node finds itself; zero is well."),
		bootstrap:   desc("kvs_bootstrap_bytes", "A bootstrap under way.", "state"),
		datagrams:   desc("kvs_datagrams_total", "Datagrams of the socket.", "result"),
		frames:      desc("kvs_frames_total", "Frames to peers.", "result"),
		batches:     desc("kvs_frame_batches_total", "Posts and writes to streams, to peers.", "result"),
		frameBytes:  desc("kvs_frame_bytes_total", "Bytes delivered to peers."),
		frameQueue:  desc("kvs_frame_queue_bytes", "Frames that wait for peers to be reached, or to take them."),
		streams:     desc("kvs_frame_streams", "Streams to peers (out) and of peers (in).", "direction"),
		certExpires: desc("kvs_certificate_expires_timestamp_seconds",
			"When the node's certificate or its authority ends, since the Unix epoch."),
		refusals:      desc("kvs_refusals_total", "What the limits at the edge refused.", "limit"),
		handshakes:    desc("kvs_tls_handshake_failures_total", "Connections that did not become secure."),
		watchers:      desc("kvs_watchers", "Clients that watch."),
		watchQueued:   desc("kvs_watch_queued_paths", "Changes that wait for watchers."),
		watchChanges:  desc("kvs_watch_log_changes", "Changes in the log for watchers that come back."),
		watchEvents:   desc("kvs_watch_events_total", "Puts and deletes that watchers were shown."),
		watchStreams:  desc("kvs_watch_begun_total", "Watches that began, by how.", "with"),
		watchEnded:    desc("kvs_watch_ended_total", "Watches that the node refused or cut off, by why.", "reason"),
		recording:     desc("kvs_recorder_recording", "1 while the flight recorder records; absent: there is none."),
		recorded:      desc("kvs_recorder_bytes", "What the files of the flight recorder occupy."),
		recordedBytes: desc("kvs_recorder_recorded_bytes_total", "What was recorded."),
		gaps:          desc("kvs_recorder_gaps_total", "How often something is missing in what was recorded."),
		storeBytes:    desc("kvs_store_bytes", "What the data folder occupies."),
		freeBytes:     desc("kvs_store_free_bytes", "What is free on the data folder's file system."),
		tables:        desc("kvs_store_tables", "Sorted files of the store."),
		failures:      desc("kvs_scrape_failures_total", "Sources that could not be asked.", "source"),
	}
}

// Describe implements prometheus.Collector.
func (s *status) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.inFlight, s.ready, s.uptime, s.lead, s.epoch, s.mode, s.reason, s.members, s.queueBytes, s.queueEntries,
		s.ackAge, s.clockOffset, s.localHealth, s.bootstrap,
		s.datagrams, s.frames, s.batches, s.frameBytes, s.frameQueue, s.streams,
		s.certExpires, s.handshakes, s.refusals, s.watchers, s.watchQueued, s.watchChanges, s.watchEvents,
		s.watchStreams, s.watchEnded, s.storeBytes, s.freeBytes, s.tables, s.failures,
		s.recording, s.recorded, s.recordedBytes, s.gaps,
	} {
		ch <- d
	}
	for _, c := range s.counters {
		ch <- c.desc
	}
}

// out sends metrics of one scrape.
type out chan<- prometheus.Metric

func (o out) gauge(d *prometheus.Desc, v float64, labels ...string) {
	o <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (o out) counter(d *prometheus.Desc, v uint64, labels ...string) {
	o <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (s *status) watch(o out, w *Watch) {
	o.gauge(s.watchers, float64(w.Watchers))
	o.gauge(s.watchQueued, float64(w.Queued))
	o.gauge(s.watchChanges, float64(w.Changes))
	o.counter(s.watchEvents, w.Events)
	o.counter(s.watchStreams, w.Snapshots, "snapshot")
	o.counter(s.watchStreams, w.Resumed, "token")
	o.counter(s.watchEnded, w.Full, "full")
	o.counter(s.watchEnded, w.Behind, "behind")
	o.counter(s.watchEnded, w.TooSlow, "slow")
}

// Collect implements prometheus.Collector.
func (s *status) Collect(ch chan<- prometheus.Metric) {
	o := out(ch)
	sample, err := s.opts.Sample()
	if err != nil {
		s.sampleFailures.Add(1)
	}
	o.gauge(s.ready, truth(sample.Ready))
	o.gauge(s.uptime, sample.Uptime.Seconds())
	o.gauge(s.inFlight, float64(sample.InFlight))
	s.network(o, &sample.Network)
	s.watch(o, &sample.Watch)
	o.counter(s.handshakes, sample.HandshakesFailed)
	o.counter(s.refusals, sample.RefusedAddress, "connections_per_address")
	o.counter(s.refusals, sample.RefusedRate, "requests_per_second")
	o.counter(s.refusals, sample.RefusedBodies, "body_bytes_max")
	o.counter(s.refusals, sample.RefusedConnections, "connections")
	if !sample.CertExpires.IsZero() {
		o.gauge(s.certExpires, float64(sample.CertExpires.Unix()))
	}
	if r := sample.Recorder; r != nil {
		o.gauge(s.recording, truth(r.On))
		o.gauge(s.recorded, float64(r.Bytes))
		o.counter(s.recordedBytes, r.Written)
		o.counter(s.gaps, r.Gaps)
	}
	if sample.Status != nil {
		s.node(o, &sample)
	}
	if sizes, err := s.opts.Sizes(); err != nil {
		s.sizeFailures.Add(1)
	} else {
		o.gauge(s.storeBytes, float64(sizes.DiskBytes))
		o.gauge(s.freeBytes, float64(sizes.FreeBytes))
		o.gauge(s.tables, float64(sizes.Tables))
	}
	o.counter(s.failures, s.sampleFailures.Load(), "snapshot")
	o.counter(s.failures, s.sizeFailures.Load(), "store")
}

func (s *status) network(o out, n *Network) {
	o.counter(s.datagrams, n.DatagramsIn, "in")
	o.counter(s.datagrams, n.DatagramsInOversize, "in_oversize")
	o.counter(s.datagrams, n.DatagramsInDropped, "in_dropped")
	o.counter(s.datagrams, n.DatagramsInRefused, "in_refused")
	o.counter(s.datagrams, n.DatagramsInReplayed, "in_replayed")
	o.counter(s.datagrams, n.DatagramsOut, "out")
	o.counter(s.datagrams, n.DatagramsOutOversize, "out_oversize")
	o.counter(s.datagrams, n.DatagramsUnresolved, "unresolved")
	o.counter(s.datagrams, n.DatagramErrors, "error")
	o.counter(s.frames, n.FramesSent, "sent")
	o.counter(s.frames, n.FramesDropped, "dropped")
	o.counter(s.frames, n.FramesStale, "stale")
	o.counter(s.frames, n.FramesLost, "lost")
	o.counter(s.batches, n.FrameBatches, "delivered")
	o.counter(s.batches, n.FrameFailures, "failed")
	o.counter(s.frameBytes, n.FrameBytes)
	o.gauge(s.frameQueue, float64(n.FrameQueueBytes))
	o.gauge(s.streams, float64(n.StreamsOut), "out")
	o.gauge(s.streams, float64(n.StreamsIn), "in")
}

func (s *status) node(o out, sample *Sample) {
	st := sample.Status
	counted := reflect.ValueOf(st.Counters)
	for _, c := range s.counters {
		o.counter(c.desc, counted.Field(c.index).Uint(), c.values...)
	}
	for mode := node.ModeNormal; mode <= node.ModeFailed; mode++ {
		o.gauge(s.mode, truth(mode == st.Mode), mode.String())
	}
	seen := map[string]bool{}
	for _, r := range st.ModeReasons {
		// the rest changes all the time, and each text would be a series of its own.
		word, _, _ := strings.Cut(r, " ")
		if !seen[word] {
			o.gauge(s.reason, 1, word)
		}
		seen[word] = true
	}
	states := map[swim.State]int{swim.Alive: 0, swim.Suspect: 0, swim.Dead: 0, swim.Left: 0}
	for _, m := range st.Members {
		states[m.State]++
	}
	for state, count := range states {
		o.gauge(s.members, float64(count), state.String())
	}
	o.gauge(s.localHealth, float64(st.LocalHealth))
	o.gauge(s.lead, float64(int64(st.Clock.Wall())-sample.Wall)/1000)
	if st.Config != nil {
		o.gauge(s.epoch, float64(st.Config.Epoch))
	}
	s.peers(o, sample)
	if b := st.Bootstrap; b != nil {
		o.gauge(s.bootstrap, float64(b.BytesDone), "done")
		o.gauge(s.bootstrap, float64(b.BytesAll), "total")
	}
}

// peers are labelled with their IDs: two members may have one name while one replaces the other.
func (s *status) peers(o out, sample *Sample) {
	now := sample.Status.Started + sample.Uptime
	for _, p := range sample.Status.Peers {
		peer := p.ID.String()
		o.gauge(s.queueBytes, float64(p.QueueBytes), peer)
		o.gauge(s.queueEntries, float64(p.QueueEntries), peer)
		if p.ClockMeasured {
			o.gauge(s.clockOffset, p.ClockOffset.Seconds(), peer)
		}
		if p.LastAck > 0 {
			o.gauge(s.ackAge, max(now-p.LastAck, time.Duration(0)).Seconds(), peer)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
