package daemon

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
)

// Report is the state of one instance.
type Report struct {
	Name    string
	Config  string // empty when only a corrupt PID file is left of it.
	Log     string
	State   State
	Record  Record        // when there is a PID file that can be read.
	Uptime  time.Duration // when it runs.
	Answers bool          // it runs and has returned its health.
	Health  Health        // when it answers.
	Detail  string        // for people: what is wrong, when something is.
}

// Status inspects inst, and removes its PID file if that is stale: the next status says "stopped".
func (d *Daemon) Status(ctx context.Context, inst Instance) (Report, error) {
	rec, state, err := d.look(inst)
	if err != nil {
		return Report{}, err
	}
	r := Report{Name: inst.Name, Config: inst.Config, Log: d.Home.LogPath(inst), State: state, Record: rec}
	return r, d.complete(ctx, inst.Key(), &r)
}

// StatusAll inspects every instance that has a PID file, in byte order of their keys. A file that cannot be trusted is
// one report of StateUnknown, and does not keep the others from being reported.
func (d *Daemon) StatusAll(ctx context.Context) ([]Report, error) {
	keys, err := d.Home.keys()
	if err != nil {
		return nil, err
	}
	var out []Report
	for _, key := range keys {
		r, err := d.statusOf(ctx, key)
		switch {
		case errors.Is(err, os.ErrNotExist): // it has just ended.
		case err != nil:
			out = append(out, Report{Name: key, State: StateUnknown, Detail: err.Error()})
		default:
			out = append(out, r)
		}
	}
	d.FindSilent(ctx, out)
	return out, nil
}

// statusOf inspects the instance of one PID file.
func (d *Daemon) statusOf(ctx context.Context, key string) (Report, error) {
	rec, err := d.Home.recordOf(key)
	if errors.Is(err, ErrPIDFileCorrupt) {
		r := Report{Name: key, State: StateCorrupt}
		return r, d.complete(ctx, key, &r)
	}
	if err != nil {
		return Report{}, err
	}
	return d.Status(ctx, instanceAt(rec.Config))
}

// complete fills in the fields that need a question to the node, and cleans up.
func (d *Daemon) complete(ctx context.Context, key string, r *Report) error {
	switch {
	case r.State.Stale():
		r.Detail = r.State.describe(&r.Record)
		return d.cleanUp(key, r.Name)
	case r.State == StateStopped:
		return nil
	}
	r.Uptime = max(0, d.Clock.Now().Sub(r.Record.Started))
	if !r.Record.Serving() {
		r.Detail = "it is starting and does not serve yet"
		return nil
	}
	health, err := d.health(ctx, &r.Record)
	if err != nil {
		r.Detail = "it runs but does not answer: " + err.Error()
		return nil
	}
	r.Answers, r.Health = true, health
	if health.Mode == ModeStarting {
		r.Detail = "it is starting and does not serve yet: " + strings.Join(health.Reasons, "; ")
	}
	return nil
}
