// Package profiling takes profiles of this process in the format of pprof (github.com/google/pprof,
// proto/profile.proto), which `go tool pprof` reads. Begin with Take.
package profiling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// KindCPU is the profile that measures for a while; the others show one moment.
const KindCPU = "cpu"

// Kinds are all kinds of profiles.
var Kinds = []string{KindCPU, "heap", "allocs", "goroutine", "threadcreate", "block", "mutex"}

// SecondsMax bounds a measurement.
const SecondsMax = 30

// Errors of Take.
var (
	ErrKind    = errors.New("profiling: no such kind of profile")
	ErrSeconds = errors.New("profiling: a duration that is not allowed")
	ErrBusy    = errors.New("profiling: the CPU is being profiled already")
)

// Take writes a profile, compressed with gzip. Seconds is how long the CPU is measured, 1 to SecondsMax; other kinds
// ignore it. The measurement ends early with ctx, and what was measured is written.
func Take(ctx context.Context, w io.Writer, kind string, seconds int) error {
	switch {
	case !slices.Contains(Kinds, kind):
		return fmt.Errorf("%w: %.50q; use one of %s", ErrKind, kind, strings.Join(Kinds, ", "))
	case kind != KindCPU:
		return pprof.Lookup(kind).WriteTo(w, 0)
	case seconds < 1 || seconds > SecondsMax:
		return fmt.Errorf("%w: %d; use 1 to %d seconds", ErrSeconds, seconds, SecondsMax)
	}
	if err := pprof.StartCPUProfile(w); err != nil {
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	}
	defer pprof.StopCPUProfile()
	t := time.NewTimer(time.Duration(seconds) * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}
