package linearize

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecorder(t *testing.T) {
	r := NewRecorder(Header{World: "sim", Seed: 7})
	alice, bob := r.NewProcess(), r.NewProcess()
	put := r.Invoke(10, alice, Op{Kind: Put, Path: "a", Input: "1", Node: "n1"})
	get := r.Invoke(11, bob, Op{Kind: Get, Path: "a"})
	r.OK(put, 20, Answer{Version: "e1"})
	require.Equal(t, bob, r.Info(get, 21, "timeout"), "an unknown get does not retire the process")
	lost := r.Invoke(22, alice, Op{Kind: Delete, Path: "a"})
	fresh := r.Info(lost, 23, "timeout")
	require.Equal(t, 2, fresh)
	refused := r.Invoke(24, fresh, Op{Kind: CAS, Path: "a", Expect: "0", Input: "2"})
	r.OK(refused, 25, Answer{Shown: true, Found: true, Output: "1"})
	failed := r.Invoke(26, bob, Op{Kind: Put, Path: "a", Input: "3"})
	r.Fail(failed, 27, "not_applied")
	r.Invoke(28, bob, Op{Kind: Put, Path: "a", Input: "4"})
	require.Equal(t, 6, r.Len())
	h := r.Finish(30)

	require.NoError(t, h.Validate())
	require.Equal(t, uint64(7), h.Seed)
	require.Equal(t, []Op{
		{Process: 0, Kind: Put, Path: "a", Input: "1", Node: "n1", Version: "e1", Invoke: 10, Return: 20, Status: OK},
		{Process: 1, Kind: Get, Path: "a", Invoke: 11, Return: Never, GaveUp: 21, Status: Info, Error: "timeout"},
		{Process: 0, Kind: Delete, Path: "a", Invoke: 22, Return: Never, GaveUp: 23, Status: Info, Error: "timeout"},
		{Process: 2, Kind: CAS, Path: "a", Expect: "0", Input: "2", Shown: true, Found: true, Output: "1", Invoke: 24,
			Return: 25, Status: OK},
		{Process: 1, Kind: Put, Path: "a", Input: "3", Invoke: 26, Return: 27, Status: Fail, Error: "not_applied"},
		{Process: 1, Kind: Put, Path: "a", Input: "4", Invoke: 28, Return: Never, GaveUp: 30, Status: Info,
			Error: "still open at the end of the recording"},
	}, h.Ops)
}

func TestRecorderRefusesWrongUse(t *testing.T) {
	for _, c := range []struct {
		name string
		use  func(r *Recorder, process int, put Handle)
	}{
		{"a process that was not handed out", func(r *Recorder, _ int, _ Handle) {
			r.Invoke(20, 5, Op{Kind: Get, Path: "a"})
		}},
		{"two operations at once", func(r *Recorder, p int, _ Handle) { r.Invoke(20, p, Op{Kind: Get, Path: "a"}) }},
		{"a retired process", func(r *Recorder, p int, put Handle) {
			r.Info(put, 20, "")
			r.Invoke(21, p, Op{Kind: Get, Path: "a"})
		}},
		{"an end after the end", func(r *Recorder, _ int, put Handle) {
			r.Info(put, 20, "")
			r.OK(put, 21, Answer{})
		}},
		{"a handle that was not handed out", func(r *Recorder, _ int, _ Handle) { r.OK(9, 20, Answer{}) }},
		{"time going back", func(r *Recorder, _ int, put Handle) { r.OK(put, 9, Answer{}) }},
		{"an answer that does not fit", func(r *Recorder, _ int, put Handle) { r.OK(put, 20, Answer{Found: true}) }},
		{"no path", func(r *Recorder, _ int, _ Handle) { r.Invoke(20, r.NewProcess(), Op{Kind: Get}) }},
		{"a status from outside", func(r *Recorder, _ int, _ Handle) {
			r.Invoke(20, r.NewProcess(), Op{Kind: Get, Path: "a", Status: OK})
		}},
		{"use after Finish", func(r *Recorder, _ int, put Handle) {
			r.Finish(20)
			r.OK(put, 21, Answer{})
		}},
	} {
		r := NewRecorder(Header{})
		p := r.NewProcess()
		put := r.Invoke(10, p, Op{Kind: Put, Path: "a", Input: "1"})
		require.Panics(t, func() { c.use(r, p, put) }, c.name)
	}
}

func TestShared(t *testing.T) {
	var now atomic.Int64
	s := NewShared(Header{World: "urls"}, func() int64 { return now.Add(1) })
	var register sync.Mutex
	value, found := "", false
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			p := s.NewProcess()
			for i := range 50 {
				if i%2 == 0 {
					h := s.Invoke(p, Op{Kind: Get, Path: "a"})
					register.Lock()
					a := Answer{Found: found, Output: value}
					register.Unlock()
					s.OK(h, a)
					continue
				}
				v := string(rune('A'+p)) + string(rune('a'+i))
				h := s.Invoke(p, Op{Kind: Put, Path: "a", Input: v})
				register.Lock()
				value, found = v, true
				register.Unlock()
				switch {
				case i%9 == 0:
					p = s.Info(h, "timeout")
				default:
					s.OK(h, Answer{})
				}
			}
			s.Fail(s.Invoke(p, Op{Kind: Delete, Path: "a"}), "refused")
		})
	}
	clients.Wait()
	require.Equal(t, 4*51, s.Len())
	h := s.Finish()
	require.NoError(t, h.Validate())
	res := Check(h, Options{})
	require.Equal(t, Linearizable, res.Verdict, res.Summary())
}
