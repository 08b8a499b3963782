package transport

import "time"

// Lane is the urgency of a frame. Frames of one lane arrive in the order in which they were sent. Those of different
// lanes may overtake each other: the core expects that of any two frames.
type Lane uint8

// The lanes, the most urgent first. A less urgent lane never waits for long: each write to a stream has room for every
// lane.
const (
	Prompt  Lane = iota // operations of clients, and membership.
	Records             // writes that are passed on.
	Bulk                // long transfers: comparisons, and the data of a newcomer.
	lanes
)

// waiting is a frame in a queue.
type waiting struct {
	frame []byte
	since time.Time
	lane  Lane
}

// frameQueue is a first-in, first-out queue.
type frameQueue struct {
	frames []waiting
	head   int
	bytes  int
}

func (q *frameQueue) len() int { return len(q.frames) - q.head }

func (q *frameQueue) first() *waiting { return &q.frames[q.head] }

func (q *frameQueue) push(w waiting) {
	q.frames = append(q.frames, w)
	q.bytes += len(w.frame)
}

func (q *frameQueue) pop() waiting {
	w := q.frames[q.head]
	q.frames[q.head] = waiting{}
	q.head++
	q.bytes -= len(w.frame)
	if q.head*2 > len(q.frames) { // each entry is moved at most once for each one taken.
		n := copy(q.frames, q.frames[q.head:])
		clear(q.frames[n:])
		q.frames, q.head = q.frames[:n], 0
	}
	return w
}

// queues are the frames that wait for one peer. They are bounded in bytes and in frames, all lanes together: when they
// are full the oldest frames of the least urgent lane are dropped.
type queues struct {
	lane                [lanes]frameQueue
	bytesMax, framesMax int
}

func (q *queues) len() (n int) {
	for i := range q.lane {
		n += q.lane[i].len()
	}
	return n
}

func (q *queues) bytes() (n int) {
	for i := range q.lane {
		n += q.lane[i].bytes
	}
	return n
}

func (q *queues) push(w waiting) (dropped int) {
	q.lane[w.lane].push(w)
	return q.trim()
}

func (q *queues) trim() (dropped int) {
	for q.bytes() > q.bytesMax || q.len() > q.framesMax {
		last := lanes - 1
		for q.lane[last].len() == 0 {
			last--
		}
		q.lane[last].pop()
		dropped++
	}
	return dropped
}

// unpop puts the frames taken last back in front. Frames beyond the bounds are dropped.
func (q *queues) unpop(taken []waiting) (dropped int) {
	before := q.lane
	q.lane = [lanes]frameQueue{}
	for _, w := range taken {
		q.lane[w.lane].push(w)
	}
	for i := range before {
		for _, w := range before[i].frames[before[i].head:] {
			q.lane[i].push(w)
		}
	}
	return q.trim()
}

// dropOlder drops from the front of a lane the frames that were queued before t.
func (q *queues) dropOlder(l Lane, t time.Time) (dropped int) {
	for q.lane[l].len() > 0 && q.lane[l].first().since.Before(t) {
		q.lane[l].pop()
		dropped++
	}
	return dropped
}
