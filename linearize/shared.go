package linearize

import "sync"

// Shared is a Recorder for many goroutines: clients of a real cluster.
//
// It reads its clock itself, under its lock, so that the times in the history never go back. An Invoke is stamped
// before the request leaves and an end after the answer came, so waiting for the lock only makes intervals longer,
// which can hide a violation but never invent one.
type Shared struct {
	mu    sync.Mutex
	clock func() int64
	r     *Recorder
}

// NewShared returns an empty recorder. clock must be monotonic, in nanoseconds, never negative; time.Since of the
// start of the run does.
func NewShared(h Header, clock func() int64) *Shared {
	if clock == nil {
		panic("linearize: NewShared needs a clock")
	}
	return &Shared{clock: clock, r: NewRecorder(h)}
}

// NewProcess is Recorder.NewProcess.
func (s *Shared) NewProcess() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.NewProcess()
}

// Invoke is Recorder.Invoke, now.
func (s *Shared) Invoke(process int, op Op) Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Invoke(s.clock(), process, op)
}

// OK is Recorder.OK, now.
func (s *Shared) OK(h Handle, a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r.OK(h, s.clock(), a)
}

// Fail is Recorder.Fail, now.
func (s *Shared) Fail(h Handle, err string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r.Fail(h, s.clock(), err)
}

// Info is Recorder.Info, now.
func (s *Shared) Info(h Handle, err string) (process int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Info(h, s.clock(), err)
}

// Len is Recorder.Len.
func (s *Shared) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Len()
}

// Finish is Recorder.Finish, now. Clients that are still running afterwards panic: end them first.
func (s *Shared) Finish() *History {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Finish(s.clock())
}
