package bootstrap

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// A survey finds out how a member's data is spread over time, so that a newcomer can have the newest first: one scan of
// all slots in small slices, with pauses, that keeps a uniform sample (algorithm R of Vitter, "Random Sampling with a
// Reservoir", 1985). The bands of the plan are quantiles of that sample by bytes: the newest sixteenth, the rest of the
// newest quarter, and everything else. Each band costs the server a scan, so there are few; what fits in a few pages is
// one band.
type survey struct {
	running bool
	from    string        // the next slice begins here.
	sliceAt time.Duration // when it is due.
	keys    uint64
	bytes   uint64
	sample  []sampled
	askers  []slot.ID
	plan    wire.Bands    // of the last survey,
	madeAt  time.Duration // made at this time; zero: never.
}

type sampled struct {
	ts    slot.Timestamp
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

// HandlePlanAsk answers with a plan, or begins to make one and answers that it is not ready.
func (m *Machine) HandlePlanAsk(from *step.Peer, _ *wire.PlanAsk) error {
	if m.Syncing() {
		m.hello(from, 0, 0, 0)
		return nil
	}
	s := &m.survey
	if !s.running && (s.madeAt == 0 || m.Now.Mono-s.madeAt > surveyKeptFor) {
		*s = survey{running: true, sliceAt: m.Now.Mono}
		m.surveySlice()
	}
	if !s.running && s.madeAt == 0 {
		return nil // the disk could not be read: it asks again.
	}
	if !s.running {
		m.sendPlan(from)
		return nil
	}
	if len(s.askers) < surveyAskersMax {
		s.askers = slot.InsertID(s.askers, from.ID)
	}
	m.sendPlan(from)
	return nil
}

func (m *Machine) sendPlan(to *step.Peer) {
	s := &m.survey
	out := wire.Plan{Ready: !s.running, Bands: s.plan}
	if s.running {
		out.Bands = wire.Bands{Keys: s.keys, Bytes: s.bytes}
	}
	m.Send(contract.TransportFrame, to.Addr, 0, m.Frame(wire.KindPlan, &out))
}

func (m *Machine) tickSurvey() {
	if s := &m.survey; s.running && m.Now.Mono >= s.sliceAt {
		m.surveySlice()
	}
}

// surveySlice scans the next few keys.
func (m *Machine) surveySlice() {
	s := &m.survey
	keys, bytes, more := 0, 0, false
	err := m.Store.Scan(schema.PrefixRecord, schema.PrefixRecord+s.from, func(key string, value []byte) bool {
		path := key[len(schema.PrefixRecord):]
		if keys == surveySliceKeys || bytes >= surveySliceBytes {
			s.from, more = path, true
			return false
		}
		keys++
		bytes += len(key) + len(value)
		slot, err := slot.Decode(path, value)
		if err != nil || !slot.Exists() {
			return true // comparisons report what is corrupt.
		}
		e := wire.Entry{Path: path, Record: value}
		s.take(sampled{slot.Top(), e.WireBytes()}, m.Rand.Uint64N)
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "survey failed", "from", s.from, "error", err.Error())
		*s = survey{}
		return
	}
	if more {
		s.sliceAt = m.Now.Mono + surveyPause
		return
	}
	askers := s.askers
	*s = survey{plan: s.makePlan(), madeAt: m.Now.Mono}
	m.Log(contract.LogInfo, "survey for newcomers", "keys", s.plan.Keys, "bytes", s.plan.Bytes,
		"bands", len(s.plan.Bounds))
	for _, id := range askers {
		if p := m.Peer(id); p != nil {
			m.sendPlan(p)
		}
	}
}

// take counts a slot and may keep it in the sample.
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
func (s *survey) makePlan() wire.Bands {
	p := wire.Bands{Keys: s.keys, Bytes: s.bytes}
	if s.bytes > surveyOneBandMax {
		slices.SortFunc(s.sample, func(a, b sampled) int { return slot.CompareID(slot.ID(b.ts), slot.ID(a.ts)) })
		total := 0
		for _, x := range s.sample {
			total += x.bytes
		}
		p.Bounds = s.cut(p.Bounds, total/surveyNewestShare)
		p.Bounds = s.cut(p.Bounds, total/surveyNextShare)
	}
	if n := len(p.Bounds); n == 0 || p.Bounds[n-1] != 0 {
		p.Bounds = append(p.Bounds, 0)
	}
	return p
}

// cut adds the timestamp down to which the sample, newest first, holds so many bytes.
func (s *survey) cut(bounds []slot.Timestamp, bytes int) []slot.Timestamp {
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

// HandlePageAsk sends the next part of a band, in the order of the paths. The page waits for records in it that are not
// durable yet.
func (m *Machine) HandlePageAsk(from *step.Peer, in *wire.PageAsk) error {
	if m.Syncing() {
		m.hello(from, 0, 0, 0)
		return nil
	}
	out := wire.Page{Seq: in.Seq}
	bytesMax := min(int(in.BytesMax), m.Tuning.BatchBytesMax)
	keys, bytes := 0, 0
	var after contract.PersistID
	err := m.Store.Scan(schema.PrefixRecord, schema.PrefixRecord+in.From, func(key string, value []byte) bool {
		path := key[len(schema.PrefixRecord):]
		if keys == pageScanKeysMax || out.Scanned >= pageScanBytesMax || len(out.Entries) == wire.PageEntriesMax {
			out.Next = path
			return false
		}
		keys++
		out.Scanned += uint32(len(key) + len(value))
		// the page must hold nothing older than its stamp, see wire.Stamp.
		if o, pending := m.Overlay.ByPath[path]; pending {
			value, after = o.Record, max(after, o.Persist)
			if value == nil {
				return true
			}
		}
		slot, err := slot.Decode(path, value)
		if err != nil {
			m.Log(contract.LogWarn, "corrupt record left out of a newcomer's page", "path", path, "error", err.Error())
			return true
		}
		if ts := slot.Top(); !slot.Exists() || ts < in.Lo || in.Hi != 0 && ts >= in.Hi {
			return true
		}
		size := (&wire.Entry{Path: path, Record: value}).WireBytes()
		if len(out.Entries) > 0 && bytes+size > bytesMax {
			out.Next = path
			return false
		}
		bytes += size
		out.Entries = append(out.Entries, wire.Entry{Path: path, Record: slices.Clone(value)})
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "page for a newcomer failed", "from", in.From, "error", err.Error())
		return nil // it asks again, or asks another member.
	}
	m.Send(contract.TransportFrame, from.Addr, after, m.Frame(wire.KindPage, &out))
	return nil
}
