package transport

import (
	"sync"
	"time"
)

// limiter lets one log line through in each interval, so that a fault that repeats a thousand times a second does not
// fill the disk with log lines. It is safe for concurrent use.
type limiter struct {
	interval time.Duration

	mu      sync.Mutex
	next    time.Time
	skipped int
}

// allow reports whether a line may be written now, and how many were suppressed since the last one.
func (l *limiter) allow(now time.Time) (ok bool, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.skipped++
		return false, 0
	}
	skipped, l.skipped = l.skipped, 0
	l.next = now.Add(l.interval)
	return true, skipped
}

// complaintInterval is the distance between two log lines about the same peer or socket.
const complaintInterval = 10 * time.Second
