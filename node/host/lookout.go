package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"kvs/node"
)

// lookout watches for problems that no message shows: seeds whose names do not resolve or that do not answer, and an
// advertised address at which this node cannot be reached. The core goes on trying; the warnings are for people.
type lookout struct {
	h        *Host
	resolve  func(ctx context.Context, host string) error
	interval time.Duration
	patience int // looks before a silent seed is reported: members that start together take a moment.
}

const (
	lookoutInterval = 5 * time.Second
	lookoutTimeout  = 2 * time.Second // for all that is tried in one look.
	lookoutRest     = 12              // looks that are skipped when all is well.
)

func newLookout(h *Host) *lookout {
	resolve := func(ctx context.Context, host string) error {
		_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		return err
	}
	return &lookout{h: h, resolve: resolve, interval: lookoutInterval, patience: 1}
}

// run looks until ctx ends, the first time at once.
func (l *lookout) run(ctx context.Context) {
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	rest := 0
	for n := 0; ; n++ {
		if rest--; rest < 0 {
			warnings := l.look(ctx, n >= l.patience)
			if ctx.Err() != nil {
				return
			}
			l.tell(warnings)
			if len(warnings) == 0 && n > l.patience {
				rest = lookoutRest
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tell logs new warnings, and keeps all for the status.
func (l *lookout) tell(warnings []string) {
	before := l.h.Warnings()
	for _, w := range warnings {
		if !slices.Contains(before, w) {
			l.h.logger.Warn(w)
		}
	}
	if len(before) > 0 && len(warnings) == 0 {
		l.h.logger.Info("the condition of a warning has ended")
	}
	l.h.warnings.Store(&warnings)
}

// look returns the present warnings. silent: also which seeds do not answer.
func (l *lookout) look(ctx context.Context, silent bool) []string {
	ctx, cancel := context.WithTimeout(ctx, lookoutTimeout)
	defer cancel()
	st, err := l.h.Status(ctx)
	if err != nil {
		return nil // a failed node has logged its failure.
	}
	var out []string
	if w := l.lookAtMyself(ctx, &st); w != "" {
		out = append(out, w)
	}
	if len(st.Members) > 1 {
		return out // it has met others, and learns from them.
	}
	for _, seed := range l.h.cfg.Seeds {
		if seed == l.h.cfg.Advertise || seed == l.h.cfg.Listen {
			continue
		}
		if w := l.lookAtSeed(ctx, seed, silent); w != "" {
			out = append(out, w)
		}
	}
	return out
}

func (l *lookout) lookAtSeed(ctx context.Context, seed string, silent bool) string {
	host, _, err := net.SplitHostPort(seed)
	if err != nil {
		return ""
	}
	if err := l.lookUp(ctx, host); err != nil {
		return fmt.Sprintf("seed %s: the name does not resolve (%s): correct seeds in %s, or the name server", seed,
			reasonOf(err), l.h.cfg.File)
	}
	if !silent || len(l.h.ask(ctx, []string{seed})) > 0 {
		return ""
	}
	return fmt.Sprintf("seed %s: no member answers there: start that member, or correct seeds in %s", seed,
		l.h.cfg.File)
}

// lookAtMyself checks whether this node can be reached at its advertised address.
func (l *lookout) lookAtMyself(ctx context.Context, st *node.Status) string {
	advertise, file := l.h.cfg.Advertise, l.h.cfg.File
	host, _, err := net.SplitHostPort(advertise)
	if err != nil {
		return ""
	}
	if err := l.lookUp(ctx, host); err != nil {
		return fmt.Sprintf("advertise %s: the name does not resolve (%s), so that others cannot reach this node: "+
			"correct it in %s", advertise, reasonOf(err), file)
	}
	switch answer := l.h.askOne(ctx, advertise); {
	case ctx.Err() != nil && answer.ID == "":
		return fmt.Sprintf("advertise %s: this node cannot reach itself there; if others cannot either, "+
			"correct it in %s", advertise, file)
	case answer.ID == "":
		return fmt.Sprintf("advertise %s: this node does not answer there; if it does not to others either, "+
			"correct it in %s", advertise, file)
	case answer.ID != st.ID.String():
		return fmt.Sprintf("advertise %s: another node, %s, answers there: correct it in %s", advertise, answer.Name,
			file)
	}
	return ""
}

func (l *lookout) lookUp(ctx context.Context, host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	return l.resolve(ctx, host)
}

// reasonOf is an error of a lookup without the name, which the message has already.
func reasonOf(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err
	}
	return err.Error()
}

// Warnings are problems around the node that do not keep it from serving.
func (h *Host) Warnings() []string {
	if w := h.warnings.Load(); w != nil {
		return *w
	}
	return nil
}

// alone explains why a node that expects others, and has never met one, does not count as ready; empty: it may.
func (h *Host) alone(st *node.Status) string {
	if h.cfg.ExpectedMembers < 2 || st.Config != nil || len(st.Members) > 1 {
		return ""
	}
	return fmt.Sprintf("1 of %d expected members, the cluster is not founded: no other member has been met yet",
		h.cfg.ExpectedMembers)
}
