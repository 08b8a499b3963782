package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kvs/node"
	"kvs/node/api"
)

// request is one operation, to be attempted once or more.
type request struct {
	method      string
	target      string // path and query as they go on the wire.
	name        string // for people: "a/b".
	write       bool   // a PUT or DELETE: it has an outcome.
	once        bool   // a question to a node about itself: one attempt.
	harmless    bool   // a write that may be repeated whatever became of it.
	body        []byte
	contentType string
	ttl         time.Duration // zero: for ever.
	condition   Condition
	bytesMax    int64 // of the answer's body.
}

func (r *request) operation() string { return r.method + " " + r.name }

// answer is a success, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do attempts r until it succeeds, nothing more may be tried, or ctx ends.
func (c *Client) do(ctx context.Context, r *request) (*answer, error) {
	first := int(c.preferred.Load())
	attemptsMax := c.opts.AttemptsMax
	if r.once {
		attemptsMax = 1
	}
	delay := c.opts.RetryDelayMin
	unknown := false
	var told *Error // the last answer of a member.
	for attempt := 1; ; attempt++ {
		at := (first + attempt - 1) % len(c.endpoints)
		ans, err := c.attempt(ctx, r, c.endpoints[at])
		if err == nil {
			c.preferred.Store(int64(at))
			return ans, nil
		}
		err.Attempts = attempt
		unknown = unknown || err.Outcome == api.Unknown
		if unknown {
			err.Outcome = api.Unknown // a later attempt that did nothing does not undo an earlier one that may have.
		}
		if err.Status != 0 {
			told = err
		}
		if attempt == attemptsMax || ctx.Err() != nil || !c.mayRepeat(r, err) {
			if err.Retryable { // the next operation does not begin with an endpoint that just failed.
				c.preferred.Store(int64(at+1) % int64(len(c.endpoints)))
			}
			return nil, tellingMost(err, told)
		}
		if attempt%len(c.endpoints) == 0 {
			if !pause(ctx, min(max(delay, err.RetryAfter), c.opts.RetryDelayMax)) {
				return nil, tellingMost(err, told)
			}
			delay = min(2*delay, c.opts.RetryDelayMax)
		}
	}
}

// tellingMost chooses the failure to report. The answer of a member explains what is wrong with the cluster, a lost
// majority for instance, so it is preferred to the last failure when that is an endpoint without an answer. The outcome
// of a write is that of the last failure.
func tellingMost(last, told *Error) *Error {
	if last.Status != 0 || told == nil {
		return last
	}
	out := *told
	out.Attempts, out.Outcome = last.Attempts, last.Outcome
	return &out
}

func (c *Client) mayRepeat(r *request, err *Error) bool {
	return err.Retryable && (!r.write || err.Outcome == api.NotApplied || c.opts.RetryUnknown || r.harmless ||
		r.condition.key != "")
}

// pause waits for at least half of d, and at most d, so that many clients do not come back together. It returns false
// when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d - rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt asks one endpoint once.
func (c *Client) attempt(ctx context.Context, r *request, endpoint string) (*answer, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.AttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, endpoint+r.target, bytes.NewReader(r.body))
	if err != nil {
		return nil, refusedHere(r.operation(), r.write, Unreachable, err)
	}
	if err := r.setHeaders(req.Header); err != nil {
		return nil, refusedHere(r.operation(), r.write, api.BadHeader, err)
	}
	if c.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	if at, ok := ctx.Deadline(); ok && !r.once && !c.clockOff.Load() {
		req.Header.Set(api.HeaderDeadline, strconv.FormatInt(at.UnixMilli(), 10))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, broken(r.operation(), endpoint, r.write, err)
	}
	defer resp.Body.Close()
	body, err := readBody(resp.Body, r.bytesMax)
	success := resp.StatusCode >= 200 && resp.StatusCode < 300
	if err != nil && !(success && r.write) { // a write's success is told by the status alone.
		return nil, broken(r.operation(), endpoint, r.write, fmt.Errorf("read the answer: %w", err))
	}
	if !success {
		p := problem(r, endpoint, resp, body)
		if p.Code == api.Overdue && ctx.Err() == nil {
			// the member says that the deadline has passed, but it has not: the clocks differ by too much.
			c.clockOff.Store(true)
		}
		return nil, p
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// setHeaders writes r's headers to h. It refuses values that no header may hold: net/http refuses them too, but with an
// error that looks like those of requests that were sent.
func (r *request) setHeaders(h http.Header) error {
	h.Set("User-Agent", "kvs-client")
	ttl := ""
	switch r.ttl {
	case 0:
	case Forever:
		ttl = "none"
	default:
		ttl = r.ttl.String()
	}
	for _, f := range []struct{ name, value string }{
		{"Content-Type", r.contentType}, {api.HeaderTTL, ttl}, {r.condition.header, r.condition.value},
		{api.HeaderIdempotencyKey, r.condition.key},
	} {
		if f.value == "" {
			continue
		}
		for i := range len(f.value) {
			if c := f.value[i]; c < ' ' && c != '\t' || c == 0x7f { // RFC 9110 section 5.5.
				return fmt.Errorf("%s holds the byte 0x%02x, which no header may", f.name, c)
			}
		}
		h.Set(f.name, f.value)
	}
	return nil
}

var errTooLong = errors.New("it is longer than anything a member sends")

func readBody(r io.Reader, bytesMax int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, bytesMax+1))
	if err == nil && int64(len(b)) > bytesMax {
		return nil, errTooLong
	}
	return b, err
}

// problem reads a refusal. A body that is no problem document came from a server that is no member, or from a member
// that was too busy to read the request.
func problem(r *request, endpoint string, resp *http.Response, body []byte) *Error {
	e := &Error{Operation: r.operation(), Endpoint: endpoint, Status: resp.StatusCode}
	var p api.Problem
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != api.ContentTypeProblem || json.Unmarshal(body, &p) != nil || p.Code == "" {
		e.Code, e.Detail = Unreachable,
			fmt.Sprintf("the answer, HTTP %d, is not one of kvs: is this endpoint a member?", resp.StatusCode)
		e.Retryable = resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
	} else {
		e.Code, e.Detail, e.Retryable = p.Code, p.Detail, p.Retryable
		e.RetryAfter = time.Duration(max(p.RetryAfter, 0)) * time.Second
		e.ETag = strings.Trim(resp.Header.Get("ETag"), `"`)
	}
	if r.write {
		e.Outcome = api.Unknown // unless the member's answer says more.
		if p.Outcome == api.NotApplied {
			e.Outcome = api.NotApplied
		}
	}
	return e
}

// level reads the effective level from an answer; zero when a newer server has one this client does not know.
func (a *answer) level() node.Level {
	l, err := node.ParseLevel(a.header.Get(api.HeaderConsistency))
	if err != nil {
		return node.DefaultLevel
	}
	return l
}

// node reads the name of the member that answered, which travels percent-encoded.
func (a *answer) node() string {
	encoded := a.header.Get(api.HeaderNode)
	name, err := url.PathUnescape(encoded)
	if err != nil {
		return encoded
	}
	return name
}

func (a *answer) etag() string { return strings.Trim(a.header.Get("ETag"), `"`) }
