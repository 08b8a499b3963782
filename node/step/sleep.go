package step

import "time"

// oversleepMin is what a step that was due may be late on a machine that has much to do.
const oversleepMin = 100 * time.Millisecond

// Overslept reports that a moment is over, and that the process was stopped or starved when it came. Who has waited for
// others until then must not take their silence for an answer: what they said may be what the node hears next. A stop
// that ends sooner after the moment, or just before it, is not noticed.
func (s *Shared) Overslept(moment time.Duration) bool { return s.Now.Mono > moment+oversleepMin }
