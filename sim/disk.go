package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/sim/memstore"
)

// disk is a replica's storage: what is durable (the store), and the persists that are not yet.
//
// Persists wait in the order of their IDs. One fsync runs at a time and carries everything that waited when it began; what
// comes meanwhile shares the next one. A crash keeps some of the waiting persists from the front, however many, since the
// page cache may have been written back by then, and loses the others.
type disk struct {
	store   *memstore.Store
	waiting []node.Persist
	syncing int // how many of them the running fsync carries; zero: none is running.
	broken  bool

	sync, syncMax time.Duration // how long an fsync takes.
	slow          time.Duration // added by a fault.
	errorPPM      int64         // share of the fsyncs that fail.
	readErrorPPM  int64         // share of the reads that fail, but for those of a node that starts.
	starting      bool
	readRNG       *rand.Rand // draws which.
	full          bool       // every fsync fails for lack of space.
	nearlyFull    bool       // the host's guard has seen it in time, and still has its reserve.

	keepAtCrash int // of the waiting persists: above zero all, below zero none, zero a number drawn at random.
}

// Reasons for a failed fsync, as the node hears of them.
var (
	errDisk     = errors.New("input/output error")
	errDiskFull = errors.New("no space left on device")
)

func newDisk(sync, syncMax time.Duration) disk {
	return disk{store: memstore.New(), sync: sync, syncMax: syncMax}
}

// reader is the disk as its node reads it: some reads fail.
type reader struct{ d *disk }

func (d *disk) readFails() bool {
	return d.readErrorPPM > 0 && !d.starting && chaos.Chance(d.readRNG, d.readErrorPPM)
}

func (r reader) Get(key string) (value []byte, found bool, err error) {
	if r.d.readFails() {
		return nil, false, errDisk
	}
	return r.d.store.Get(key)
}

// Scan fails after some keys, if it does.
func (r reader) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	if !r.d.readFails() {
		return r.d.store.Scan(prefix, from, fn)
	}
	left := r.d.readRNG.IntN(8)
	err := r.d.store.Scan(prefix, from, func(key string, value []byte) bool {
		left--
		return left >= 0 && fn(key, value)
	})
	return errors.Join(errDisk, err)
}

// queue takes a persist in.
func (d *disk) queue(p node.Persist) { d.waiting = append(d.waiting, p) }

// begin starts an fsync if one is needed and none is running; it takes the time returned.
func (d *disk) begin(rng *rand.Rand) (takes time.Duration, begun bool) {
	if d.syncing > 0 || len(d.waiting) == 0 || d.broken {
		return 0, false
	}
	d.syncing = len(d.waiting)
	return chaos.DrawDuration(rng, d.sync, d.syncMax) + d.slow, true
}

// end finishes the running fsync: it calls each with every persist that is durable now, and returns the last one's ID. After
// an error the disk is broken: nobody knows what is on it, and it takes no more until the replica starts again.
func (d *disk) end(rng *rand.Rand, each func(node.Persist)) (upTo node.PersistID, err error) {
	n := d.syncing
	if d.full {
		err = errDiskFull
	} else if chaos.Chance(rng, d.errorPPM) {
		err = errDisk
	}
	if err != nil {
		upTo = d.waiting[0].ID - 1
		d.keep(rng.IntN(n+1), each) // some of it may have reached the platter all the same.
		d.broken = true
		return upTo, err
	}
	upTo = d.waiting[n-1].ID
	d.keep(n, each)
	d.syncing = 0
	return upTo, nil
}

// keep makes the first n waiting persists durable.
func (d *disk) keep(n int, each func(node.Persist)) {
	for i := range n {
		if err := d.store.Apply(d.waiting[i].Ops); err != nil {
			panic("sim: the memory store failed: " + err.Error())
		}
		each(d.waiting[i])
	}
	left := copy(d.waiting, d.waiting[n:])
	clear(d.waiting[left:])
	d.waiting = d.waiting[:left]
}

// crash keeps a random number of waiting persists and loses the rest; with keepAtCrash set, all or none of them.
func (d *disk) crash(rng *rand.Rand, each func(node.Persist)) {
	switch kept := d.keepAtCrash; {
	case d.broken:
	case kept < 0:
		d.keep(0, each)
	case kept > 0:
		d.keep(len(d.waiting), each)
	default:
		d.keep(rng.IntN(len(d.waiting)+1), each)
	}
	clear(d.waiting)
	d.waiting, d.syncing, d.broken = d.waiting[:0], 0, false
}

// fill makes the disk full. Half of the time the host's guard, which looks at the free space now and then, has seen it coming.
func (d *disk) fill(rng *rand.Rand) {
	d.nearlyFull = rng.IntN(2) == 0
	d.full = !d.nearlyFull
}

func (d *disk) heal() {
	d.slow, d.errorPPM, d.readErrorPPM, d.full, d.nearlyFull = 0, 0, 0, false, false
}
