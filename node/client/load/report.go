package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what was measured. The JSON form is that of `kvs bench -o json`: fields are added, never renamed.
type Report struct {
	Op          Op      `json:"op"`
	Consistency string  `json:"consistency"`    // that was asked for.
	Clients     int     `json:"clients"`        // operations at once, at most.
	Keys        int     `json:"keys"`           // to choose from.
	Bytes       int     `json:"value_bytes"`    // of each value.
	Rate        float64 `json:"rate,omitempty"` // that was asked for, operations a second.

	LoadSeconds  float64 `json:"load_seconds,omitempty"` // that it took to make the keys.
	Seconds      float64 `json:"seconds"`                // of the measurement.
	Interrupted  bool    `json:"interrupted"`            // it was ended before its time.
	Operations   int64   `json:"operations"`             // that succeeded, also those that ended late.
	PerSecond    float64 `json:"operations_per_second"`  // of those that ended in time.
	ErrorsInAll  int64   `json:"errors"`
	AttemptsMean float64 `json:"attempts_per_operation,omitempty"` // of a compare-and-set.

	Latency       Latency          `json:"latency_ms"`        // of the operations that succeeded.
	ErrorsLatency *Latency         `json:"errors_latency_ms"` // null: there were no errors.
	Errors        map[string]int64 `json:"errors_by_code"`
}

// Latency is in milliseconds.
type Latency struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// fill gathers what the workers have counted. In time is how many operations succeeded before the end.
func (r *Report) fill(workers []*worker, inTime int64, took time.Duration) {
	latency, failed, attempts := newHistogram(), newHistogram(), int64(0)
	for _, w := range workers {
		latency.Merge(w.latency)
		failed.Merge(w.failed)
		attempts += w.attempts
		for code, n := range w.errors {
			r.Errors[code] += n
			r.ErrorsInAll += n
		}
	}
	r.Seconds, r.Operations = took.Seconds(), latency.TotalCount()
	r.PerSecond = float64(inTime) / r.Seconds
	r.Latency = latencyOf(latency)
	if failed.TotalCount() > 0 {
		l := latencyOf(failed)
		r.ErrorsLatency = &l
	}
	if r.Op == CAS && r.Operations > 0 {
		r.AttemptsMean = float64(attempts) / float64(r.Operations+r.ErrorsInAll)
	}
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Latency{
		Min: ms(h.Min()), Mean: h.Mean() / 1000, P50: ms(h.ValueAtQuantile(50)), P90: ms(h.ValueAtQuantile(90)),
		P99: ms(h.ValueAtQuantile(99)), P999: ms(h.ValueAtQuantile(99.9)), Max: ms(h.Max()),
	}
}
