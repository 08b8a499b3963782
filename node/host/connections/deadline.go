package connections

import (
	"sync"
	"time"
)

// deadline is the read or the write deadline of a connection. To set one costs a timer of the runtime, and the HTTP
// library sets four for each request, some of them twice. So it is set a little later than asked for, and what is set
// is left alone as long as it fits: it never comes early, and at most a slackPart of its time late.
type deadline struct {
	mu  sync.Mutex
	set func(time.Time) error
	at  time.Time     // what is set; zero: none is.
	by  time.Duration // at most so much later than what was asked for.
}

// slackPart of the time until a deadline is how late it may come, and slackMax bounds that.
const (
	slackPart = 64
	slackMax  = time.Second
)

// move sets the deadline, or leaves it as it is.
func (d *deadline) move(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !t.IsZero() && !d.at.Before(t) && d.at.Sub(t) <= d.by {
		return nil
	}
	d.at, d.by = t, 0
	if !t.IsZero() {
		d.by = min(max(time.Until(t), 0)/slackPart, slackMax)
		d.at = t.Add(d.by)
	}
	return d.set(d.at)
}
