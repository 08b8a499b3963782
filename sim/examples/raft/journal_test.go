package raft

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/confchange"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
	"kvs/sim"
)

// memory is a disk in memory.
type memory map[string][]byte

func (d memory) Get(key string) ([]byte, bool, error) {
	value, found := d[key]
	return value, found, nil
}

func (d memory) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	for _, key := range slices.Sorted(maps.Keys(d)) {
		if strings.HasPrefix(key, prefix) && key >= from && !fn(key, d[key]) {
			break
		}
	}
	return nil
}

func (d memory) persist(p sim.Persist) {
	for _, c := range p.Changes {
		if c.Value == nil {
			delete(d, c.Key)
		} else {
			d[c.Key] = c.Value
		}
	}
}

// TestJournalAndStorageAgree: whatever the library stores, the disk reads back as what the library's view of it holds,
// after every persist.
func TestJournalAndStorageAgree(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := memory{}
		s, empty, err := load(disk)
		if err != nil || !empty {
			t.Fatalf("an empty disk: %v, %v", empty, err)
		}
		j, term := newJournal(s), uint64(1)
		for range 60 {
			for range 1 + rng.IntN(3) {
				scribble(rng, &j, &term)
			}
			p := j.take()
			disk.persist(p)
			for _, w := range j.ended(p.ID) {
				s.take(&w)
			}
			back, _, err := load(disk)
			if err != nil {
				t.Fatalf("seed %d: the disk cannot be read: %v", seed, err)
			}
			if back.base != s.base || len(back.log) != len(s.log) || !slices.Equal(newJournal(back).terms, j.terms) {
				t.Fatalf(
					"seed %d: the disk holds %d entries behind %v, the library's view %d behind %v, the journal %v",
					seed, len(back.log), back.base, len(s.log), s.base, j.terms)
			}
			for i := range back.log {
				if !proto.Equal(back.log[i], s.log[i]) {
					t.Fatalf("seed %d: entry %d differs", seed, back.base.index+1+uint64(i))
				}
			}
			if snapshotID(back.snap) != snapshotID(s.snap) {
				t.Fatalf("seed %d: the snapshot differs", seed)
			}
		}
	}
}

func scribble(rng *rand.Rand, j *journal, term *uint64) {
	first := j.base.index + 1 + rng.Uint64N(uint64(len(j.terms))+1)
	switch rng.IntN(8) {
	case 0: // a snapshot of another node.
		*term++
		at := entryID{j.last().index + 1 + rng.Uint64N(5), *term}
		j.wait(j.store(nil, &pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(at.index), Term: new(at.term),
			ConfState: &pb.ConfState{Voters: []uint64{1}}}}, nil))
	case 1: // one of its own.
		at := j.at(first - 1)
		if at.index > j.base.index {
			j.compact(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(at.index), Term: new(at.term)}},
				j.at(j.base.index+rng.Uint64N(at.index-j.base.index+1)))
		}
	default:
		*term++
		var entries []*pb.Entry
		for i := range 1 + rng.Uint64N(4) {
			entries = append(entries, &pb.Entry{Index: new(first + i), Term: new(*term), Data: []byte{byte(i)}})
		}
		j.wait(j.store(&pb.HardState{Term: new(*term)}, nil, entries))
	}
}

// TestStorageBounds holds the storage against the library's own MemoryStorage.
func TestStorageBounds(t *testing.T) {
	ours, theirs := &storage{snap: pb.EnsureSnapshot(nil)}, raft.NewMemoryStorage()
	snap := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: new(uint64(3)), Term: new(uint64(2)),
		ConfState: pb.EnsureConfState(nil)}}
	ours.restore(snap)
	if err := theirs.ApplySnapshot(snap); err != nil {
		t.Fatal(err)
	}
	var entries []*pb.Entry
	for i := uint64(4); i < 10; i++ {
		entries = append(entries, &pb.Entry{Index: new(i), Term: new(i / 2), Data: []byte("some data")})
	}
	ours.append(entries)
	if err := theirs.Append(entries); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(12) {
		a, errA := ours.Term(i)
		b, errB := theirs.Term(i)
		if a != b || errA != errB {
			t.Errorf("term of %d: %d, %v, want %d, %v", i, a, errA, b, errB)
		}
		for hi := max(i, 4); hi <= 10; hi++ {
			for _, size := range []uint64{0, 20, 50, 1 << 20} {
				a, errA := ours.Entries(i, hi, size)
				b, errB := theirs.Entries(i, hi, size)
				if len(a) != len(b) || errA != errB {
					t.Errorf("entries %d to %d of %d bytes: %d, %v, want %d, %v", i, hi, size, len(a), errA, len(b),
						errB)
				}
			}
		}
	}
}

// TestAllowedAsTheLibrary: a change is allowed if and only if the library would carry it out; over all configurations
// that random changes of up to four nodes come to.
func TestAllowedAsTheLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	conf, seen := &pb.ConfState{Voters: []uint64{1}}, [2]int{}
	for range 20_000 {
		var changes []Member
		for range 1 + rng.IntN(3) {
			changes = append(changes, Member{1 + rng.Uint64N(4), Role(rng.IntN(3))})
		}
		var change pb.ConfChangeI = changeOf(&Control{Changes: changes, Joint: rng.IntN(2) == 0,
			Stay: rng.IntN(2) == 0})
		if rng.IntN(3) == 0 {
			change = changeOf(&Control{}) // leaves a joint configuration.
		}
		next, err := carryOut(conf, change.AsV2())
		may := allowed(conf, change.AsV2())
		if may != (err == nil) {
			t.Fatalf("%v at %v: allowed says %v, the library %v", change.AsV2(), conf, may, err)
		}
		if may {
			conf = next
			seen[1]++
		} else {
			seen[0]++
		}
	}
	if seen[0] < 1000 || seen[1] < 1000 {
		t.Errorf("%d were refused and %d allowed: that shows nothing", seen[0], seen[1])
	}
}

// carryOut is what raft.applyConfChange does.
func carryOut(conf *pb.ConfState, c *pb.ConfChangeV2) (*pb.ConfState, error) {
	changer := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 1), LastIndex: 1}
	cfg, progress, err := confchange.Restore(changer, conf)
	if err != nil {
		panic(err)
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	if c.LeaveJoint() {
		cfg, progress, err = changer.LeaveJoint()
	} else if autoLeave, ok := c.EnterJoint(); ok {
		cfg, progress, err = changer.EnterJoint(autoLeave, c.Changes...)
	} else {
		cfg, progress, err = changer.Simple(c.Changes...)
	}
	if err != nil {
		return nil, err
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	return changer.Tracker.ConfState(), nil
}
