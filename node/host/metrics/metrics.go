package metrics

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"kvs/node"
)

// Options of New. All are required.
type Options struct {
	Version string

	// Sample and Sizes are called once for each scrape, perhaps by several at once. An error means that the result is
	// old.
	Sample func() (Sample, error)
	Sizes  func() (Sizes, error)
}

// Sample is the state of a node at one moment.
type Sample struct {
	Status   *node.Status
	Ready    bool
	Reasons  []string
	Uptime   time.Duration
	Wall     int64 // milliseconds since the Unix epoch.
	InFlight int
	Network  Network

	CertExpires      time.Time // zero: there is no certificate.
	HandshakesFailed uint64

	Watch Watch

	Recorder *Recorder // nil: the node has none.

	RefusedAddress, RefusedRate, RefusedBodies, RefusedConnections uint64 // by the limits at the edge.
}

// Watch has the numbers of watchers: what there is now, and counters since the start.
type Watch struct {
	Watchers, Queued, Changes                         int
	Events, Snapshots, Resumed, Full, Behind, TooSlow uint64
}

// Recorder has the numbers of the flight recorder.
type Recorder struct {
	On      bool   // it records at the moment.
	Bytes   int64  // of its files.
	Written uint64 // bytes recorded since the start,
	Gaps    uint64 // and how often something is missing.
}

// Network has the counters of the transport since the start.
type Network struct {
	DatagramsIn, DatagramsInOversize, DatagramsInDropped                            uint64
	DatagramsInRefused, DatagramsInReplayed                                         uint64
	DatagramsOut, DatagramsOutOversize, DatagramsUnresolved, DatagramErrors         uint64
	FramesSent, FramesDropped, FramesStale, FramesLost, FrameBatches, FrameFailures uint64
	FrameBytes                                                                      uint64

	FrameQueueBytes, StreamsOut, StreamsIn int // now.
}

// Sizes are those of the data folder.
type Sizes struct {
	DiskBytes, FreeBytes uint64
	Tables               int
}

// Op is the kind of a client's request.
type Op uint8

// The operations that are counted.
const (
	OpGet Op = iota
	OpPut
	OpDelete
	OpList
	OpWatch
)

var opNames = [...]string{"get", "put", "delete", "list", "watch"}

// levelsMax is the number of levels; the first one is for requests refused before their level was known.
const levelsMax = int(node.Linearizable) + 1

// OK is the code of requests that were answered as asked.
const OK = "ok"

// Metrics observes and shows. Its methods are safe for concurrent use.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	succeeded [len(opNames)][levelsMax]prometheus.Counter // of requests: indexed, without a lookup of labels.
	duration  [len(opNames)][levelsMax]prometheus.Observer
	persists  prometheus.Histogram
	failures  prometheus.Counter
	groups    prometheus.Histogram
	decisions *prometheus.CounterVec
}

// Buckets in seconds: from an answer out of memory to the longest time a request may take.
var durationBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New returns the metrics of one node.
func New(o Options) (*Metrics, error) {
	if o.Sample == nil || o.Sizes == nil {
		return nil, errors.New("metrics: a sample and the sizes of the store are required")
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kvs_requests_total", Help: "Requests for values and listings, by the code of the answer.",
		}, []string{"op", "level", "code"}),
		persists: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kvs_persist_duration_seconds", Help: "One transaction with its fsync.", Buckets: durationBuckets,
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "kvs_persist_failures_total", Help: "Transactions that the store refused or failed.",
		}),
		groups: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kvs_group_commit_ops", Help: "Changes that shared one fsync.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kvs_conflicts_total", Help: "Decisions about conflicts, again whenever more is known of one.",
		}, []string{"rule", "settled"}),
	}
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "kvs_request_duration_seconds", Help: "From the whole request to the whole answer.",
		Buckets: durationBuckets,
	}, []string{"op", "level"})
	for op, name := range opNames {
		for level := range levelsMax {
			m.succeeded[op][level] = m.requests.WithLabelValues(name, levelName(node.Level(level)), OK)
			m.duration[op][level] = durations.WithLabelValues(name, levelName(node.Level(level)))
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kvs_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"version": o.Version, "go": runtime.Version()},
	})
	build.Set(1)
	var errs []error
	for _, c := range []prometheus.Collector{
		m.requests, durations, m.persists, m.failures, m.groups, m.decisions, build, newStatus(o),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		errs = append(errs, m.registry.Register(c))
	}
	return m, errors.Join(errs...)
}

// levelName is the level's word; refused requests have none.
func levelName(l node.Level) string {
	if l == node.DefaultLevel {
		return "none"
	}
	return l.String()
}

// Request counts an answered request. Code is OK or the code of the problem.
func (m *Metrics) Request(op Op, level node.Level, code string, took time.Duration) {
	if code == OK {
		m.succeeded[op][level].Inc()
	} else {
		m.requests.WithLabelValues(opNames[op], levelName(level), code).Inc()
	}
	m.duration[op][level].Observe(took.Seconds())
}

// Decided counts a decision about a conflict.
func (m *Metrics) Decided(d *node.Decision) {
	settled := "false"
	if d.Final {
		settled = "true"
	}
	m.decisions.WithLabelValues(d.Rule.String(), settled).Inc()
}

// Store returns s with its transactions counted.
func (m *Metrics) Store(s node.Store) node.Store {
	o := observed{s, m}
	if two, ok := s.(twoStep); ok {
		return &twoSteps{observed: o, store: two}
	}
	return &o
}

type observed struct {
	node.Store
	m *Metrics
}

// Apply is the store's, counted.
func (o *observed) Apply(changes []node.Change) error {
	began := time.Now()
	err := o.Store.Apply(changes)
	if err != nil {
		o.m.failures.Inc()
		return err
	}
	o.m.persists.Observe(time.Since(began).Seconds())
	o.m.groups.Observe(float64(len(changes)))
	return nil
}

// twoSteps counts the transactions of a store that takes them in two steps: one is all that is written for a Sync.
type twoSteps struct {
	observed
	store twoStep

	mu      sync.Mutex
	began   time.Time // the first Write that was not synced; zero: there is none.
	changes int       // of all of them.
}

// twoStep is the store's own half of committer.TwoStep.
type twoStep interface {
	Write(changes []node.Change) error
	Sync() error
}

// Write is the store's.
func (t *twoSteps) Write(changes []node.Change) error {
	began := time.Now()
	if err := t.store.Write(changes); err != nil {
		t.m.failures.Inc()
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changes += len(changes); t.began.IsZero() {
		t.began = began
	}
	return nil
}

// Sync is the store's, counted.
func (t *twoSteps) Sync() error {
	t.mu.Lock()
	began, changes := t.began, t.changes
	t.began, t.changes = time.Time{}, 0
	t.mu.Unlock()
	if err := t.store.Sync(); err != nil {
		t.m.failures.Inc()
		return err
	}
	if !began.IsZero() {
		t.m.persists.Observe(time.Since(began).Seconds())
		t.m.groups.Observe(float64(changes))
	}
	return nil
}

// ContentType is that of Text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text is everything, in Prometheus' text format.
func (m *Metrics) Text() ([]byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// split splits a list at its commas; an empty text is an empty list.
func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
