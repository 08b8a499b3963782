package access

import (
	"sync"
	"time"
)

// Rates bounds the requests of each token. It is safe for concurrent use.
type Rates struct {
	PerSecond int              // with a burst of as many; zero: no bound.
	Now       func() time.Time // monotonic.

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is a token bucket in thousandths of a request.
type bucket struct {
	milli int64
	at    time.Time
}

// bucketsMax bounds the memory; beyond it all buckets are full again.
const bucketsMax = 4096

// Take counts a request, or returns how long its sender has to wait; zero: it was counted.
func (r *Rates) Take(who string) (wait time.Duration) {
	if r.PerSecond == 0 {
		return 0
	}
	full := int64(r.PerSecond) * 1000
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[who]
	if b == nil {
		if r.buckets == nil || len(r.buckets) >= bucketsMax {
			r.buckets = map[string]*bucket{}
		}
		b = &bucket{milli: full, at: now}
		r.buckets[who] = b
	}
	if gone := min(max(now.Sub(b.at), 0), time.Second); gone > 0 { // a second fills it.
		b.milli = min(full, b.milli+gone.Microseconds()*int64(r.PerSecond)/1000)
		b.at = now
	}
	if b.milli < 1000 {
		return time.Second / time.Duration(r.PerSecond)
	}
	b.milli -= 1000
	return 0
}
