// Package disk is the disk of a simulated machine: the durable persists, those that wait for an fsync, and its faults.
package disk

import (
	"errors"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/machine"
	"kvs/sim/memstore"
)

// Disk is a replica's storage: the durable data (the store), and the persists that are not durable yet.
//
// Persists wait in the order of their IDs. One fsync runs at a time and covers all persists that waited when it began;
// later ones share the next one. A crash keeps any number of waiting persists from the front, since the page cache may
// have been written back by then, and loses the others.
type Disk struct {
	Store   *memstore.Store
	Waiting []machine.Persist
	Syncing int // how many of them the running fsync covers; zero: none is running.
	Broken  bool
	Lost    bool            // the store is an empty one that replaces one that lost its tail.
	Copy    *memstore.Store // of what was durable once; nil: none was made.

	sync, syncMax time.Duration // how long an fsync takes.
	Slow          time.Duration // added by a fault.
	ErrorPPM      int64         // share of the fsyncs that fail.
	ReadErrorPPM  int64         // share of the reads that fail, except those of a node that starts.
	Starting      bool
	ReadRNG       *rand.Rand // draws the failing reads.
	full          bool       // every fsync fails for lack of space.
	NearlyFull    bool       // the host's guard has noticed it in time, and still has its reserve.

	KeepAtCrash int // of the waiting persists: above zero all, below zero none, zero a number drawn at random.

	// See Settled: since when it has not been idle, when it was asked last, and the last persist that waited at first;
	// zero: it was idle.
	busySince, asked time.Duration
	busyFrom         machine.PersistID
}

// A world asks Settled at least once in askedWithin, as long as it waits for the disk.
const (
	busyPatience = time.Second
	askedWithin  = 200 * time.Millisecond
)

// Reasons for a failed fsync, as the node gets them.
var (
	errDisk     = errors.New("input/output error")
	errDiskFull = errors.New("no space left on device")
)

// New returns an empty disk whose fsyncs take between sync and syncMax.
func New(sync, syncMax time.Duration) Disk {
	return Disk{Store: memstore.New(), sync: sync, syncMax: syncMax}
}

// Reader is the disk as its machine reads it: some reads fail.
type Reader struct{ d *Disk }

// Reader returns that of d.
func (d *Disk) Reader() Reader { return Reader{d} }

func (d *Disk) readFails() bool {
	return d.ReadErrorPPM > 0 && !d.Starting && chaos.Chance(d.ReadRNG, d.ReadErrorPPM)
}

// Get implements the reads of a machine; it may fail.
func (r Reader) Get(key string) (value []byte, found bool, err error) {
	if r.d.readFails() {
		return nil, false, errDisk
	}
	return r.d.Store.Get(key)
}

// Scan may fail after some keys.
func (r Reader) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	if !r.d.readFails() {
		return r.d.Store.Scan(prefix, from, fn)
	}
	left := r.d.ReadRNG.IntN(8)
	err := r.d.Store.Scan(prefix, from, func(key string, value []byte) bool {
		left--
		return left >= 0 && fn(key, value)
	})
	return errors.Join(errDisk, err)
}

// PutBack replaces what is durable by the copy that was made last, and reports whether there is one.
func (d *Disk) PutBack() bool {
	if d.Copy == nil {
		return false
	}
	d.Store = d.Copy.Clone()
	return true
}

// Queue takes a persist in.
func (d *Disk) Queue(p machine.Persist) { d.Waiting = append(d.Waiting, p) }

// Begin starts an fsync if one is needed and none is running; it takes the time returned.
func (d *Disk) Begin(rng *rand.Rand) (takes time.Duration, begun bool) {
	if d.Syncing > 0 || len(d.Waiting) == 0 || d.Broken {
		return 0, false
	}
	d.Syncing = len(d.Waiting)
	return chaos.DrawDuration(rng, d.sync, d.syncMax) + d.Slow, true
}

// End finishes the running fsync: it calls each with every persist that is durable now, and returns the last one's ID.
// After an error the disk is broken: its content is unknown to the machine, and it takes no more until the replica
// starts again.
func (d *Disk) End(rng *rand.Rand, each func(*machine.Persist)) (upTo machine.PersistID, err error) {
	n := d.Syncing
	if d.full {
		err = errDiskFull
	} else if chaos.Chance(rng, d.ErrorPPM) {
		err = errDisk
	}
	if err != nil {
		upTo = d.Waiting[0].ID - 1
		d.keep(rng.IntN(n+1), each) // some of it may be on the disk nevertheless.
		d.Broken = true
		return upTo, err
	}
	upTo = d.Waiting[n-1].ID
	d.keep(n, each)
	d.Syncing = 0
	return upTo, nil
}

// keep makes the first n waiting persists durable.
func (d *Disk) keep(n int, each func(*machine.Persist)) {
	for i := range n {
		if err := d.Store.Take(d.Waiting[i].Changes); err != nil {
			panic("sim: the memory store failed: " + err.Error())
		}
		each(&d.Waiting[i])
	}
	left := copy(d.Waiting, d.Waiting[n:])
	clear(d.Waiting[left:])
	d.Waiting = d.Waiting[:left]
}

// Settled reports whether what was stored is durable, as far as a world has to wait for it that asks again and again.
// An idle disk is settled. Some machines write for as long as they run, each at moments of its own: the disks of
// several are then perhaps never idle at once, and the world would wait for ever. So a disk that has not been found
// idle for busyPatience is settled, too, when all that waited at the beginning of that time is durable.
func (d *Disk) Settled(now time.Duration) bool {
	if len(d.Waiting) == 0 {
		d.busyFrom = 0
		return true
	}
	if d.busyFrom == 0 || now-d.asked > askedWithin {
		d.busyFrom, d.busySince = d.Waiting[len(d.Waiting)-1].ID, now
	}
	d.asked = now
	return now-d.busySince >= busyPatience && d.Waiting[0].ID > d.busyFrom && !d.Broken
}

// Crash keeps a random number of waiting persists and loses the rest; with keepAtCrash set, all or none of them.
func (d *Disk) Crash(rng *rand.Rand, each func(*machine.Persist)) {
	switch kept := d.KeepAtCrash; {
	case d.Broken:
	case kept < 0:
		d.keep(0, each)
	case kept > 0:
		d.keep(len(d.Waiting), each)
	default:
		d.keep(rng.IntN(len(d.Waiting)+1), each)
	}
	clear(d.Waiting)
	d.Waiting, d.Syncing, d.Broken, d.busyFrom = d.Waiting[:0], 0, false, 0
}

// Fill makes the disk full. Half of the time the host's guard, which checks the free space at intervals, has noticed it
// in time.
func (d *Disk) Fill(rng *rand.Rand) {
	d.NearlyFull = rng.IntN(2) == 0
	d.full = !d.NearlyFull
}

// Heal ends all faults of the disk.
func (d *Disk) Heal() {
	d.Slow, d.ErrorPPM, d.ReadErrorPPM, d.full, d.NearlyFull = 0, 0, 0, false, false
}
