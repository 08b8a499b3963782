package host

import (
	"sync"
	"time"

	"kvs/node"
	"kvs/node/host/access"
	"kvs/node/host/config"
	"kvs/node/host/rest"
)

// tokensFor is how long a reading of the table of tokens is used. A revocation reaches a member with the write of the
// table, and takes effect there at most so much later.
const tokensFor = 200 * time.Millisecond

// tokenTable is the table of tokens in this node's store.
type tokenTable struct {
	view func() *node.View
	now  func() time.Duration // monotonic.

	mu      sync.Mutex
	read    time.Duration // when it was read; zero: never.
	version node.Version
	table   *access.Table
	err     error
}

// get reads the table, if the last reading is too old.
func (t *tokenTable) get() (*access.Table, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if t.table != nil && t.err == nil && now-t.read < tokensFor {
		return t.table, nil
	}
	t.read = now
	rec, err := t.view().Get(rest.TokensPath)
	if err != nil {
		t.err = err
		return nil, err
	}
	if t.table != nil && t.err == nil && rec.Version() == t.version {
		return t.table, nil
	}
	var content []byte
	if rec.Live() {
		content = rec.Value
	}
	t.version = rec.Version()
	t.table, t.err = access.Parse(content)
	return t.table, t.err
}

// access is the access control of requests; nil: all are allowed.
func (h *Host) access() (*rest.Access, error) {
	if h.cfg.Auth.Mode != config.AuthRequired {
		return nil, nil
	}
	table := &tokenTable{view: h.View, now: h.clock.Mono}
	out := &rest.Access{Tokens: table.get}
	if h.cfg.Auth.AdminHash == "" {
		return out, nil
	}
	var err error
	out.Admin, err = access.ParseHash(h.cfg.Auth.AdminHash)
	return out, err
}
