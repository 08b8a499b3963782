package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"time"

	"kvs/cmd/version"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/load"
	"kvs/node/daemon"
	"kvs/node/host"
	"kvs/node/host/config"
)

// This file connects the commands to the real host and the real client.

// runningNode is what the foreground form needs of a node that runs.
type runningNode interface {
	// Addr is the host:port at which it answers.
	Addr() string

	// Wait returns when the node has ended: nil after a Stop, else why.
	Wait() error

	// Reload reads the files again that can change while it runs, certificates for instance. After an error the former
	// ones stay in use.
	Reload() error

	// Stop ends it in good order, without loss, until ctx ends.
	Stop(ctx context.Context) error
}

// startNode starts the real one. It calls listening as soon as the node answers, at first that it is starting.
func startNode(ctx context.Context, cfg *config.Config, log *nodeLog, listening func(addr string)) (
	runningNode, error) {
	clock := host.RealClock()
	if cfg.TestClockFile != "" {
		if os.Getenv(testFaultsVariable) != "1" {
			return nil, fmt.Errorf("test_clock_file in %s is for tests alone: take it out, or set %s=1", cfg.File,
				testFaultsVariable)
		}
		var err error
		if clock, err = host.FileClock(cfg.TestClockFile); err != nil {
			return nil, err
		}
		log.Warn("the node uses a test clock", "file", cfg.TestClockFile)
	}
	h, err := host.Start(ctx, host.Options{
		Config: cfg, Logger: log.Logger, LogLevel: log.level, Clock: clock,
		Version: version.Read().String(), Commit: version.Read().Revision(), Listening: listening,
	})
	if err != nil {
		return nil, err // a nil interface, not one that holds a nil host.
	}
	return h, nil
}

// testFaultsVariable in the environment allows options that are only for tests.
const testFaultsVariable = "KVS_TEST_FAULTS"

// remote is a real cluster.
type remote struct{ client *client.Client }

// connect returns the cluster behind the endpoints. Because a person waits, each endpoint is tried twice, and a single
// one three times, which takes a few tenths of a second when no process listens.
func connect(to access) (cluster, error) {
	o := to.options()
	o.AttemptsMax = max(3, 2*len(to.endpoints))
	c, err := client.New(o)
	if err != nil {
		return nil, err
	}
	return remote{c}, nil
}

// connectLoad is connect for a measurement: an attempt is an operation.
func connectLoad(to access, conns int, timeout time.Duration) ([]load.Store, error) {
	var all []load.Store
	for _, e := range to.endpoints {
		o := to.options()
		o.Endpoints = []string{e}
		o.AttemptsMax, o.AttemptTimeout, o.ConnsMax = 1, timeout, conns
		c, err := client.New(o)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// identityAt asks for the identity of the node at an address.
func identityAt(ctx context.Context, cfg *config.Config, address string) string {
	if address == "" {
		return ""
	}
	to, err := memberAccess(cfg, address)
	if err != nil {
		return ""
	}
	c, err := client.New(to.options())
	if err != nil {
		return ""
	}
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return ""
	}
	return st.ID
}

func (r remote) Get(ctx context.Context, path string, level node.Level) (value, error) {
	v, err := r.client.Get(ctx, path, level)
	if err != nil {
		return value{}, withCode(err)
	}
	return value{Path: v.Path, ContentType: v.ContentType, ETag: v.ETag, Consistency: v.Level.String(), Node: v.Node,
		Body: v.Body}, nil
}

func (r remote) Put(ctx context.Context, path string, level node.Level, cond client.Condition, ttl time.Duration,
	body []byte, contentType string) (written, error) {
	if ttl != 0 {
		return toWritten(r.client.PutFor(ctx, path, level, cond, ttl, body, contentType))
	}
	if cond != (client.Condition{}) {
		return toWritten(r.client.PutIf(ctx, path, cond, body, contentType))
	}
	return toWritten(r.client.Put(ctx, path, level, body, contentType))
}

func (r remote) Delete(ctx context.Context, path string, level node.Level, cond client.Condition) (written, error) {
	if cond != (client.Condition{}) {
		return toWritten(r.client.DeleteIf(ctx, path, cond))
	}
	return toWritten(r.client.Delete(ctx, path, level))
}

func toWritten(w client.Written, err error) (written, error) {
	if err != nil {
		return written{}, withCode(err)
	}
	return written{Path: w.Path, Created: w.Created, ETag: w.ETag, Consistency: w.Level.String(), Node: w.Node}, nil
}

func (r remote) List(ctx context.Context, req node.ListRequest) (page, error) {
	l, err := r.client.List(ctx, req)
	if err != nil {
		return page{}, withCode(err)
	}
	p := page{More: l.More, Next: l.Next}
	for _, e := range l.Entries {
		x := entry{Path: e.Path, Directory: e.Directory, ContentType: e.ContentType, ETag: e.ETag}
		if e.Bytes != nil {
			x.Bytes = *e.Bytes
		}
		p.Entries = append(p.Entries, x)
	}
	return p, nil
}

func (r remote) Members(ctx context.Context) ([]member, error) {
	all, err := r.client.Members(ctx)
	if err != nil {
		return nil, withCode(err)
	}
	var out []member
	for _, m := range all {
		out = append(out, toMember(m))
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

func toMember(m api.Member) member {
	return member{Name: m.Name, State: m.State, Address: m.Address, ID: m.ID, Incarnation: m.Incarnation,
		Joined: m.Joined, Since: m.Since, Hint: m.Hint}
}

func (r remote) Join(ctx context.Context, addresses []string) error {
	return withCode(r.client.Join(ctx, addresses))
}

func (r remote) Leave(ctx context.Context, force bool) (member, error) {
	m, err := r.client.Leave(ctx, force)
	return toMember(m), withCode(err)
}

func (r remote) Remove(ctx context.Context, id node.ID, force bool) (member, error) {
	m, err := r.client.Remove(ctx, id, force)
	return toMember(m), withCode(err)
}

func (r remote) Mode(ctx context.Context) (api.Mode, error) {
	m, err := r.client.Mode(ctx)
	return m, withCode(err)
}

func (r remote) SetMode(ctx context.Context, mode node.Mode) (api.Mode, error) {
	m, err := r.client.SetMode(ctx, mode)
	return m, withCode(err)
}

func (r remote) Voters(ctx context.Context) (api.Voters, error) {
	v, err := r.client.Voters(ctx)
	return v, withCode(err)
}

func (r remote) ChangeVoters(ctx context.Context, id node.ID, promote bool) (v api.Voters, err error) {
	if promote {
		v, err = r.client.Promote(ctx, id)
	} else {
		v, err = r.client.Demote(ctx, id)
	}
	return v, withCode(err)
}

func (r remote) Keyring(ctx context.Context) (api.Keyring, error) {
	k, err := r.client.Keyring(ctx)
	return k, withCode(err)
}

func (r remote) ChangeKeyring(ctx context.Context, change api.KeyringChange) (api.Keyring, error) {
	k, err := r.client.ChangeKeyring(ctx, change)
	return k, withCode(err)
}

func (r remote) Tokens(ctx context.Context) (api.Tokens, error) {
	t, err := r.client.Tokens(ctx)
	return t, withCode(err)
}

func (r remote) CreateToken(ctx context.Context, wanted api.WantedToken) (api.NewToken, error) {
	t, err := r.client.CreateToken(ctx, wanted)
	return t, withCode(err)
}

func (r remote) RevokeToken(ctx context.Context, id string) error {
	return withCode(r.client.RevokeToken(ctx, id))
}

func (r remote) Policy(ctx context.Context) (api.Policy, error) {
	p, err := r.client.Policy(ctx)
	return p, withCode(err)
}

func (r remote) SetPolicy(ctx context.Context, wanted api.WantedPolicy) (api.Policy, error) {
	p, err := r.client.SetPolicy(ctx, wanted)
	return p, withCode(err)
}

func (r remote) Conflicts(ctx context.Context, prefix string, limit int) ([]api.Conflict, error) {
	list, err := r.client.Conflicts(ctx, prefix, limit)
	if err != nil {
		return nil, withCode(err)
	}
	return list, nil
}

func (r remote) Candidate(ctx context.Context, path, uuid string) (value, error) {
	v, err := r.client.Candidate(ctx, path, uuid)
	if err != nil {
		return value{}, withCode(err)
	}
	return value{Path: v.Path, ContentType: v.ContentType, ETag: v.ETag, Consistency: v.Level.String(), Node: v.Node,
		Body: v.Body}, nil
}

// withCode gives a failed request its exit code. What is unknown about a write outweighs everything else.
func withCode(err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return err
	}
	code := exitRefused
	switch {
	case e.Outcome == api.Unknown:
		code = exitUnknown
	case e.Code == api.NotFound:
		code = exitNotFound
	case e.Code == api.BadHeader && e.Status == 0: // a flag has a value that no header may hold: no request was sent.
		code = exitUsage
	case e.Retryable || e.Code == client.Unreachable:
		code = exitUnavailable
	}
	return coded(code, err)
}

// accessTo is access to a node of this machine with its own credentials, from its configuration. Without a
// configuration there are none.
func accessTo(rec *daemon.Record) (access, error) {
	cfg, err := config.Read(rec.Config)
	if err != nil {
		return access{endpoints: []string{rec.Address}}, nil
	}
	return nodeAccess(cfg, rec.Address)
}

// prober asks nodes of this machine for their state.
type prober struct{}

func (prober) Live(ctx context.Context, rec *daemon.Record) (*daemon.Starting, error) {
	to, err := accessTo(rec)
	if err != nil {
		return nil, err
	}
	c, err := client.New(to.options())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	starting, err := c.Starting(ctx)
	if err != nil || starting == nil {
		return nil, err
	}
	return &daemon.Starting{Text: starting.String(), Done: starting.Done, Total: starting.Total}, nil
}

func (prober) Health(ctx context.Context, rec *daemon.Record) (daemon.Health, error) {
	to, err := accessTo(rec)
	if err != nil {
		return daemon.Health{}, err
	}
	o := to.options()
	o.AttemptsMax = 1
	c, err := client.New(o)
	if err != nil {
		return daemon.Health{}, err
	}
	defer c.Close()
	st, err := c.Status(ctx)
	if client.CodeOf(err) == api.NotStarted {
		if starting, err := c.Starting(ctx); err == nil && starting != nil {
			return daemon.Health{Mode: daemon.ModeStarting, Reasons: []string{starting.String()}}, nil
		}
	}
	if err != nil {
		return daemon.Health{}, err
	}
	h := daemon.Health{Ready: st.Ready, Mode: st.Mode, Reasons: st.Reasons, Digest: st.Digest, Retired: st.Retired,
		Warnings:           st.Warnings,
		CertificateExpires: st.CertificateExpires,
	}
	h.Voters = len(st.Voters.Voters)
	for _, v := range st.Voters.Voters {
		if v.State == "alive" {
			h.VotersAlive++
		}
	}
	for _, p := range st.Peers {
		if o := p.ClockOffsetMillis; o != nil &&
			(h.ClockOffsetMillis == nil || max(*o, -*o) > max(*h.ClockOffsetMillis, -*h.ClockOffsetMillis)) {
			h.ClockOffsetMillis = o
		}
	}
	if b := st.Bootstrap; b != nil {
		h.Bootstrap = &daemon.Bootstrap{
			Phase: b.Phase, KeysDone: b.KeysDone, KeysTotal: b.KeysTotal, BytesDone: b.BytesDone,
			BytesTotal: b.BytesTotal,
			Rate:       b.Rate, ETASeconds: b.ETASeconds,
		}
	}
	for _, m := range st.Members {
		h.Members = append(h.Members, daemon.Member{Name: m.Name, State: m.State, Address: m.Address,
			Voter: slices.ContainsFunc(st.Voters.Voters, func(v api.Voter) bool { return v.ID == m.ID })})
	}
	sort.SliceStable(h.Members, func(i, j int) bool { return h.Members[i].Name < h.Members[j].Name })
	return h, nil
}
