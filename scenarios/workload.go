package scenarios

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/slot"
	"kvs/sim/scenario"
)

// Workload is the workload of the clients.
type Workload struct {
	Keys                   int // how many paths there are.
	Get, Put, Delete, List int // weights of the operations.
	CAS                    int // the same: compare-and-set, of what the client saw last; level=linearizable only.
	CASDelete              int // the same, as a delete.
	Hot                    int64
	// share of the puts and compare-and-sets that carry an idempotency key and are tried again when their outcome
	// is unknown; level=linearizable only.
	Retry int64
	// share of the compare-and-sets that name several versions, or want to find any value at all.
	Conditions int64
	// share of the eventual reads that go through the node's loop instead of around it.
	Core            int64
	Think, ThinkMax time.Duration // pause of a client before each operation.
	// all clients begin together, at each multiple of it, and pause from then on. They are at one path, each time at
	// the next one. Zero: each client goes its own way.
	Burst           time.Duration
	Value, ValueMax int // bytes of a value.
	Level           node.Level
	// paths are separated by level, in directories of their own: see PathLevel. Level is the linearizable one then.
	Mixed       bool
	Attach      Attach
	TTL, TTLMax time.Duration // time to live of the values of half of all puts; zero: all stay for ever.
	Watchers    int           // how many of the clients watch instead.
	Timeout     time.Duration // after which a client gives up on an operation, its outcome unknown.
}

// Bounds of a workload. They keep a typing error from making a run that never ends; they are no limits of kvs.
const (
	KeysMax   = 100_000
	WeightMax = 1_000_000
)

func defaultWorkload() Workload {
	return Workload{
		Keys: 20, Get: 50, Put: 40, Delete: 5, List: 5, Hot: 200_000,
		Think: 20 * time.Millisecond, ThinkMax: 200 * time.Millisecond,
		Value: 16, ValueMax: 256, Level: node.Eventual, Attach: AttachAny, Timeout: 2 * time.Second,
	}
}

func (w *Workload) options() []scenario.Option {
	return []scenario.Option{
		scenario.Int("keys", &w.Keys),
		scenario.Int("get", &w.Get), scenario.Int("put", &w.Put),
		scenario.Int("delete", &w.Delete), scenario.Int("list", &w.List),
		scenario.Int("cas", &w.CAS), scenario.Int("cas-delete", &w.CASDelete),
		scenario.Ratio("hot", &w.Hot),
		scenario.DurationRange("think", &w.Think, &w.ThinkMax), scenario.Duration("burst", &w.Burst),
		scenario.IntRange("value", &w.Value, &w.ValueMax),
		scenario.Ratio("core", &w.Core), scenario.Ratio("retry", &w.Retry),
		scenario.Ratio("conditions", &w.Conditions),
		{Key: "level", Print: func() string {
			if w.Mixed {
				return levelMixed
			}
			return w.Level.String()
		}, Parse: func(v string) (err error) {
			if w.Mixed = v == levelMixed; w.Mixed {
				w.Level = node.Linearizable
				return nil
			}
			w.Level, err = node.ParseLevel(v)
			return err
		}},
		{Key: "attach", Print: func() string { return w.Attach.String() }, Parse: func(v string) (err error) {
			w.Attach, err = ParseAttach(v)
			return err
		}},
		scenario.DurationRange("ttl", &w.TTL, &w.TTLMax),
		scenario.Int("watchers", &w.Watchers),
		scenario.Duration("timeout", &w.Timeout),
	}
}

// levelMixed is the word for a workload of all levels: see Workload.Mixed.
const levelMixed = "mixed"

func (w *Workload) check() error {
	total := 0
	for _, weight := range []int{w.Get, w.Put, w.Delete, w.List, w.CAS, w.CASDelete} {
		if weight < 0 || weight > WeightMax {
			return fmt.Errorf("weight %d: use 0 to %d", weight, WeightMax)
		}
		total += weight
	}
	switch {
	case total == 0:
		return fmt.Errorf("no operation has a weight: give get, put, delete, list, cas or cas-delete one")
	case w.CAS+w.CASDelete > 0 && w.Level != node.Linearizable:
		return fmt.Errorf("cas=%d cas-delete=%d: a compare-and-set is linearizable; say level=linearizable", w.CAS,
			w.CASDelete)
	case w.Retry < 0 || w.Retry > chaos.PPMAll || w.Retry > 0 && w.Level != node.Linearizable:
		return fmt.Errorf("retry: use 0%% to 100%%, and level=linearizable")
	case w.Conditions < 0 || w.Conditions > chaos.PPMAll || w.Conditions > 0 && w.CAS+w.CASDelete == 0:
		return fmt.Errorf("conditions: use 0%% to 100%%, and cas or cas-delete")
	case w.Watchers < 0:
		return fmt.Errorf("watchers=%d: use 0 or more", w.Watchers)
	case w.Keys < 1 || w.Keys > KeysMax:
		return fmt.Errorf("keys=%d: use 1 to %d", w.Keys, KeysMax)
	case w.Hot < 0 || w.Hot > chaos.PPMAll:
		return fmt.Errorf("hot: use 0%% to 100%%")
	case w.Core < 0 || w.Core > chaos.PPMAll:
		return fmt.Errorf("core: use 0%% to 100%%")
	case w.Think < 0 || w.ThinkMax < w.Think || w.ThinkMax > scenario.DurationMax:
		return fmt.Errorf("think: write the smaller end first, nothing negative or beyond %s",
			chaos.FormatDuration(scenario.DurationMax))
	case w.Burst < 0 || w.Burst > scenario.DurationMax || w.Burst > 0 && w.Burst <= w.ThinkMax:
		return fmt.Errorf("burst=%s: use more than the longest think and at most %s, or 0s for none",
			chaos.FormatDuration(w.Burst), chaos.FormatDuration(scenario.DurationMax))
	case w.Value < 1 || w.ValueMax < w.Value || w.ValueMax > slot.ValueBytesDefault:
		return fmt.Errorf("value=%d..%d: use 1 to %d bytes, the smaller end first", w.Value, w.ValueMax,
			slot.ValueBytesDefault)
	case w.Level < node.Eventual || w.Level > node.Linearizable:
		return fmt.Errorf("level: use eventual, quorum, linearizable or mixed")
	case w.Mixed && w.Level != node.Linearizable:
		return fmt.Errorf("level: a mixed workload has the level linearizable")
	case w.Attach >= attachEnd:
		return fmt.Errorf("attach: use one of %s", strings.Join(attachNames[:], ", "))
	case w.Timeout <= 0 || w.Timeout > scenario.DurationMax:
		return fmt.Errorf("timeout: use more than 0s and at most %s", chaos.FormatDuration(scenario.DurationMax))
	}
	return nil
}

// draw draws a workload within the bounds of w.
func (w *Workload) draw(rng *rand.Rand) {
	w.Keys = int(chaos.DrawLog(rng, 1, int64(w.Keys)))
	for _, weight := range []*int{&w.Get, &w.Put, &w.Delete, &w.List, &w.CAS, &w.CASDelete} {
		switch {
		case *weight == 0:
		case rng.IntN(4) == 0:
			*weight = 0
		default:
			*weight = 1 + rng.IntN(100)
		}
	}
	if w.CAS+w.CASDelete == 0 {
		w.Conditions = 0
	}
	w.Put = max(w.Put, 1+rng.IntN(20))
	w.Hot = scenario.DrawShare(rng, w.Hot)
	w.Core = scenario.DrawShare(rng, w.Core)
	w.Retry = scenario.DrawShare(rng, w.Retry)
	if w.Watchers > 0 {
		w.Watchers = 1 + rng.IntN(w.Watchers)
	}
	w.Think, w.ThinkMax = scenario.DrawRange(rng, w.Think, w.ThinkMax, 100)
	size := int(chaos.DrawLog(rng, int64(w.Value), int64(w.ValueMax)))
	w.ValueMax = size
	if w.Attach == AttachAny {
		w.Attach = [...]Attach{AttachAny, AttachAny, AttachOwn, AttachOne}[rng.IntN(4)]
	}
}

// Attach is how a client chooses its node.
type Attach uint8

// The ways to attach.
const (
	AttachAny Attach = iota // to a node drawn for each operation.
	AttachOne               // all clients to n1.
	// each client to a node of its own, for good: client 1 to n1, client 2 to n2 and so on, around.
	AttachOwn
	AttachApart // writes to n1, reads to a node drawn from the others.

	attachEnd // not a way: how many there are.
)

var attachNames = [attachEnd]string{"any", "one", "own", "apart"}

// String prints the word that scenario files use.
func (a Attach) String() string {
	if a < attachEnd {
		return attachNames[a]
	}
	return fmt.Sprintf("attach(%d)", uint8(a))
}

// ParseAttach reads what Attach.String prints.
func ParseAttach(s string) (Attach, error) {
	for a := Attach(0); a < attachEnd; a++ {
		if attachNames[a] == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown way to attach %q: use one of %s", s, strings.Join(attachNames[:], ", "))
}
