// Package load measures a cluster through its REST API: it makes keys below a prefix of its own, runs one kind of
// operation against them from many clients, counts errors by code, and removes the keys again.
//
// Latencies are kept in HDR histograms (github.com/HdrHistogram/hdrhistogram-go), three significant digits. With a rate
// the load is open: operation k is due at k/rate whatever the former ones took, and its latency counts from then, so
// that a stall of the cluster shows in every operation that was due during it. Without a rate the load is closed: each
// client begins the next operation when the former one has ended, and a stall shows in as many operations as there are
// clients (Schroeder, Wierman, Harchol-Balter, "Open versus closed: a cautionary tale", NSDI 2006).
//
// An operation is tried once: a refusal is an error to be counted, not to be hidden. Begin with Run.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/slot"
)

// Store is what is measured; *client.Client is one. It must be safe for concurrent use and should not retry.
type Store interface {
	Get(ctx context.Context, path string, level node.Level) (client.Value, error)
	Put(ctx context.Context, path string, level node.Level, body []byte, contentType string) (client.Written, error)
	PutIf(ctx context.Context, path string, cond client.Condition, body []byte, contentType string) (client.Written,
		error)
	Delete(ctx context.Context, path string, level node.Level) (client.Written, error)
	List(ctx context.Context, req node.ListRequest) (api.Listing, error)
}

// Op is a kind of operation.
type Op string

// The kinds of operations.
const (
	Put Op = "put" // write a random key.
	Get Op = "get" // read a random key.
	// replace the value of a random key by compare-and-set, tried until it succeeds: always linearizable.
	CAS   Op = "cas"
	Mixed Op = "mixed" // Get with the probability Options.Reads, else Put.
)

// Ops are all kinds, in the order in which help texts name them.
var Ops = []Op{Put, Get, CAS, Mixed}

// Bounds of Options.
const (
	ClientsMax = 10_000
	KeysMax    = 10_000_000
	RateMax    = 10_000_000 // operations a second.
)

// Options of Run. Every field without a default is required.
type Options struct {
	Op       Op
	Level    node.Level    // of reads and writes; node.DefaultLevel: as the nodes are configured.
	Clients  int           // operations that run at once, at most.
	Keys     int           // that the operations choose from, all alike.
	Bytes    int           // of each value.
	Duration time.Duration // of the measurement, without the making and removing of keys.
	Rate     float64       // operations a second over all clients; default: as many as go (a closed loop).
	Reads    float64       // share of reads in Mixed, 0 to 1.
	Seed     uint64        // draws keys and values.
	Keep     bool          // leave the keys where they are.

	// Prefix is the directory of the keys, with its slash at the end. Run refuses one below which there is anything.
	Prefix string

	// Progress, if not nil, is called about once a second, never from two goroutines at once.
	Progress func(Progress)
}

// Phase is a part of a run.
type Phase string

// The phases of a run, in their order.
const (
	Loading   Phase = "loading"   // makes the keys, for every kind but Put.
	Measuring Phase = "measuring" // the operations that the report counts.
	Cleaning  Phase = "cleaning"  // removes the keys.
)

// Progress is how far a run has come.
type Progress struct {
	Phase      Phase
	Done       int64         // operations of the phase, errors included.
	Total      int64         // of Loading and Cleaning; zero: unknown.
	Errors     int64         // among Done.
	Elapsed    time.Duration // of the phase.
	Left       time.Duration // of Measuring, until it ends by itself.
	LastSecond float64       // operations a second since the last call.
}

// Check reports what is wrong with the options, in words for people.
func (o *Options) Check() error {
	switch {
	case !slices.Contains(Ops, o.Op):
		return fmt.Errorf("operation %q: want put, get, cas or mixed", o.Op)
	case o.Clients < 1 || o.Clients > ClientsMax:
		return fmt.Errorf("%d clients: want 1 to %d", o.Clients, ClientsMax)
	case o.Keys < 1 || o.Keys > KeysMax:
		return fmt.Errorf("%d keys: want 1 to %d", o.Keys, KeysMax)
	case o.Bytes < 0 || o.Bytes > slot.ValueBytesHardMax:
		return fmt.Errorf("values of %d bytes: want 0 to %d", o.Bytes, slot.ValueBytesHardMax)
	case o.Duration <= 0:
		return fmt.Errorf("duration %v: want more than zero", o.Duration)
	case !(o.Rate >= 0 && o.Rate <= RateMax): // NaN is not.
		return fmt.Errorf("rate %v: want up to %d operations a second, or 0 for as many as go", o.Rate, RateMax)
	case !(o.Reads >= 0 && o.Reads <= 1):
		return fmt.Errorf("share of reads %v: want 0 to 1", o.Reads)
	case o.Op == CAS && o.Level != node.DefaultLevel && o.Level != node.Linearizable:
		return fmt.Errorf("operation cas at the level %s: a compare-and-set is always linearizable", o.Level)
	case !strings.HasSuffix(o.Prefix, "/"):
		return fmt.Errorf("prefix %q: want a directory, with a slash at the end", o.Prefix)
	}
	if err := slot.CheckPath(o.key(o.Keys - 1)); err != nil {
		return fmt.Errorf("prefix %q: %w", o.Prefix, err)
	}
	return nil
}

// key is the path of the i-th key.
func (o *Options) key(i int) string { return fmt.Sprintf("%s%09d", o.Prefix, i) }

// ErrPrefixInUse is wrapped by the error of a prefix below which there is something already.
var ErrPrefixInUse = errors.New(
	"there is something below the prefix already, which a measurement would overwrite and remove")

// Run measures. Client i asks stores[i%len(stores)]. When ctx ends during the measurement, the measurement ends early,
// which the report shows; the keys are removed all the same. The report is nil if nothing was measured; an error beside
// a report tells which keys were left.
func Run(ctx context.Context, stores []Store, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	l, err := stores[0].List(ctx, node.ListRequest{Directory: o.Prefix, Limit: 1, Recursive: true})
	if err != nil {
		return nil, fmt.Errorf("look below the prefix: %w", err)
	}
	if len(l.Entries) > 0 {
		return nil, fmt.Errorf("prefix %s: %w: choose another one", o.Prefix, ErrPrefixInUse)
	}
	r := &run{Options: o, stores: stores, made: make([]atomic.Bool, o.Keys), report: &Report{
		Op: o.Op, Consistency: o.Level.String(), Clients: o.Clients, Keys: o.Keys, Bytes: o.Bytes, Rate: o.Rate,
		Errors: map[string]int64{},
	}}
	measured := r.load(ctx)
	if measured == nil {
		r.measure(ctx)
	}
	cleaned := r.clean(context.WithoutCancel(ctx))
	if measured != nil {
		return nil, errors.Join(measured, cleaned)
	}
	return r.report, cleaned
}
