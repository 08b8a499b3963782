package node

import (
	"slices"
	"time"
)

// A survey finds out how a member's data is spread over time, so that a newcomer can have the newest first: one scan of
// everything in small slices, with pauses, that keeps a uniform sample of the slots (algorithm R of Vitter, "Random Sampling
// with a Reservoir", 1985). The bands of the plan are quantiles of that sample by bytes: the newest sixteenth, the rest of the
// newest quarter, and everything else. Each band costs the server a scan, so there are few; what fits in a few pages is
// one band.
type survey struct {
	running bool
	from    string        // the next slice begins here.
	sliceAt time.Duration // when it is due.
	keys    uint64
	bytes   uint64
	sample  []sampled
	askers  []ID
	plan    bootPlan      // of the last survey,
	madeAt  time.Duration // made at this time; zero: never.
}

type sampled struct {
	ts    Timestamp
	bytes int
}

// Bounds of a survey and of pages: how much a server does between two inputs.
const (
	surveySampleMax   = 512
	surveySliceKeys   = 1024
	surveySliceBytes  = 2 << 20
	surveyPause       = 5 * time.Millisecond
	surveyKeptFor     = 10 * time.Second
	surveyOneBandMax  = 4 << 20 // bytes; less is one band.
	pageScanKeysMax   = 2048
	pageScanBytesMax  = 2 << 20
	surveyAskersMax   = 64
	surveyNewestShare = 16
	surveyNextShare   = 4
)

func (s *survey) due() time.Duration {
	if s.running {
		return s.sliceAt
	}
	return 0
}

// handlePlanAsk answers with a plan, or begins to make one and says so.
func (n *Node) handlePlanAsk(from *peer, body []byte) error {
	if _, err := decodePlanAsk(body); err != nil {
		return err
	}
	if n.bootstrap.active() {
		n.send(TransportFrame, from.addr, 0, n.encodeHello(&hello{standing: n.standing()}))
		return nil
	}
	s := &n.survey
	if !s.running && (s.madeAt == 0 || n.now.Mono-s.madeAt > surveyKeptFor) {
		*s = survey{running: true, sliceAt: n.now.Mono}
		n.surveySlice()
	}
	if !s.running && s.madeAt == 0 {
		return nil // the disk could not be read: it asks again.
	}
	if !s.running {
		n.sendPlan(from)
		return nil
	}
	if len(s.askers) < surveyAskersMax {
		s.askers = insertID(s.askers, from.id)
	}
	n.sendPlan(from)
	return nil
}

func (n *Node) sendPlan(to *peer) {
	s := &n.survey
	m := planMessage{ready: !s.running, bootPlan: s.plan}
	if s.running {
		m.bootPlan = bootPlan{keys: s.keys, bytes: s.bytes}
	}
	n.send(TransportFrame, to.addr, 0, n.encodePlan(&m))
}

func (n *Node) tickSurvey() {
	if s := &n.survey; s.running && n.now.Mono >= s.sliceAt {
		n.surveySlice()
	}
}

// surveySlice looks at the next few keys.
func (n *Node) surveySlice() {
	s := &n.survey
	keys, bytes, more := 0, 0, false
	err := n.store.Scan(prefixRecord, prefixRecord+s.from, func(key string, value []byte) bool {
		path := key[len(prefixRecord):]
		if keys == surveySliceKeys || bytes >= surveySliceBytes {
			s.from, more = path, true
			return false
		}
		keys++
		bytes += len(key) + len(value)
		slot, err := DecodeSlot(path, value)
		if err != nil || !slot.Exists() {
			return true // comparisons report what is corrupt.
		}
		e := entry{path, value}
		s.take(sampled{slot.Top(), e.wireBytes()}, n.rng.Uint64N)
		return true
	})
	if err != nil {
		n.log(LogError, "survey failed", "from", s.from, "error", err.Error())
		*s = survey{}
		return
	}
	if more {
		s.sliceAt = n.now.Mono + surveyPause
		return
	}
	askers := s.askers
	*s = survey{plan: s.makePlan(), madeAt: n.now.Mono}
	n.log(LogInfo, "survey for newcomers", "keys", s.plan.keys, "bytes", s.plan.bytes, "bands", len(s.plan.bounds))
	for _, id := range askers {
		if p := n.peer(id); p != nil {
			n.sendPlan(p)
		}
	}
}

// take counts a slot and keeps it or not.
func (s *survey) take(x sampled, draw func(uint64) uint64) {
	s.keys++
	s.bytes += uint64(x.bytes)
	if len(s.sample) < surveySampleMax {
		s.sample = append(s.sample, x)
	} else if i := draw(s.keys); i < surveySampleMax {
		s.sample[i] = x
	}
}

// makePlan cuts time into bands.
func (s *survey) makePlan() bootPlan {
	p := bootPlan{keys: s.keys, bytes: s.bytes}
	if s.bytes > surveyOneBandMax {
		slices.SortFunc(s.sample, func(a, b sampled) int { return compareID(ID(b.ts), ID(a.ts)) })
		total := 0
		for _, x := range s.sample {
			total += x.bytes
		}
		p.bounds = s.cut(p.bounds, total/surveyNewestShare)
		p.bounds = s.cut(p.bounds, total/surveyNextShare)
	}
	if n := len(p.bounds); n == 0 || p.bounds[n-1] != 0 {
		p.bounds = append(p.bounds, 0)
	}
	return p
}

// cut adds the timestamp down to which the sample, newest first, holds so many bytes.
func (s *survey) cut(bounds []Timestamp, bytes int) []Timestamp {
	for _, x := range s.sample {
		if bytes -= x.bytes; bytes <= 0 {
			if n := len(bounds); n == 0 || x.ts < bounds[n-1] {
				bounds = append(bounds, x.ts)
			}
			break
		}
	}
	return bounds
}

// handlePageAsk sends the next part of a band, in the order of the paths. What is not durable yet is waited for.
func (n *Node) handlePageAsk(from *peer, body []byte) error {
	m, err := decodePageAsk(body)
	if err != nil {
		return err
	}
	if n.bootstrap.active() {
		n.send(TransportFrame, from.addr, 0, n.encodeHello(&hello{standing: n.standing()}))
		return nil
	}
	out := page{seq: m.seq}
	bytesMax := min(int(m.bytesMax), n.tuning.BatchBytesMax)
	keys, bytes := 0, 0
	var after PersistID
	err = n.store.Scan(prefixRecord, prefixRecord+m.from, func(key string, value []byte) bool {
		path := key[len(prefixRecord):]
		if keys == pageScanKeysMax || out.scanned >= pageScanBytesMax || len(out.entries) == pageEntriesMax {
			out.next = path
			return false
		}
		keys++
		out.scanned += uint32(len(key) + len(value))
		if o, pending := n.overlay.byPath[path]; pending { // a message carries nothing older than its stamp says (stamps.go).
			value, after = o.record, max(after, o.persist)
			if value == nil {
				return true
			}
		}
		slot, err := DecodeSlot(path, value)
		if err != nil {
			n.log(LogWarn, "corrupt record left out of a newcomer's page", "path", path, "error", err.Error())
			return true
		}
		if ts := slot.Top(); !slot.Exists() || ts < m.lo || m.hi != 0 && ts >= m.hi {
			return true
		}
		size := (&entry{path, value}).wireBytes()
		if len(out.entries) > 0 && bytes+size > bytesMax {
			out.next = path
			return false
		}
		bytes += size
		out.entries = append(out.entries, entry{path, slices.Clone(value)})
		return true
	})
	if err != nil {
		n.log(LogError, "page for a newcomer failed", "from", m.from, "error", err.Error())
		return nil // it asks again, or somebody else.
	}
	n.send(TransportFrame, from.addr, after, n.encodePage(&out))
	return nil
}
