package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

// member is a pretended member of a cluster. It answers requests with script, one after the other, the last one for
// ever.
type member struct {
	*httptest.Server
	asked atomic.Int64
}

func newMember(t *testing.T, script ...http.HandlerFunc) *member {
	m := &member{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(m.asked.Add(1))
		_, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		script[min(n, len(script))-1](w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

// silent is an address at which nobody listens.
func silent(t *testing.T) string {
	port, err := ports.Free(1)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func quick(endpoints ...string) Options {
	o := DefaultOptions(endpoints...)
	o.AttemptTimeout, o.RetryDelayMin, o.RetryDelayMax = 5*time.Second, time.Millisecond, 2*time.Millisecond
	return o
}

func newClient(t *testing.T, o Options) *Client {
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func value(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("ETag", `"7-ab"`)
		w.Header().Set(api.HeaderTimestamp, "1700000000000.00001")
		w.Header().Set(api.HeaderConsistency, "eventual")
		w.Header().Set(api.HeaderNode, "n1")
		_, _ = io.WriteString(w, body)
	}
}

func created(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("ETag", `"8-cd"`)
	w.Header().Set(api.HeaderNode, "n1")
	w.WriteHeader(http.StatusCreated)
}

func refusal(code api.Code, outcome string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		kind, err := api.Describe(code)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", api.ContentTypeProblem)
		w.WriteHeader(kind.Status)
		_ = json.NewEncoder(w).Encode(api.Problem{
			Type: "about:blank", Title: kind.Title, Status: kind.Status, Code: code, Detail: "because",
			Retryable: kind.Retryable,
			Outcome:   outcome, RetryAfter: 1,
		})
	}
}

// hangUp takes the request and breaks the connection: whether it did anything, nobody knows.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestNewRefusesNonsense(t *testing.T) {
	for _, endpoint := range []string{"", "host", ":7001", "host:", "ftp://host:1", "gopher://host:1",
		"http://host:1/kv", "http://u@host:1", "a b:1"} {
		_, err := New(DefaultOptions(endpoint))
		require.ErrorContains(t, err, "want host:port", endpoint)
	}
	_, err := New(DefaultOptions())
	require.ErrorContains(t, err, "0 endpoints")
	_, err = New(Options{Endpoints: []string{"a:1"}})
	require.Error(t, err)
	for _, endpoint := range []string{"127.0.0.1:7001", "http://127.0.0.1:7001", "http://[::1]:7001/", "[::1]:7001",
		"node1:7001"} {
		_, err := New(DefaultOptions(endpoint))
		require.NoError(t, err, endpoint)
	}
}

func TestGetTellsWhatTheAnswerSays(t *testing.T) {
	m := newMember(t, value("hello"))
	c := newClient(t, quick(m.URL))
	got, err := c.Get(t.Context(), "a/b", node.DefaultLevel)
	require.NoError(t, err)
	require.Equal(t, Value{
		Path: "a/b", Body: []byte("hello"), ContentType: "text/plain", ETag: "7-ab", Timestamp: "1700000000000.00001",
		Level: node.Eventual, Node: "n1",
	}, got)
}

func TestPathsAreEscapedOnce(t *testing.T) {
	var target atomic.Value
	m := newMember(t, func(w http.ResponseWriter, r *http.Request) { target.Store(r.RequestURI); value("")(w, r) })
	c := newClient(t, quick(m.URL))
	_, err := c.Get(t.Context(), "a b/100%/ü?#;+/%2F", node.Quorum)
	require.NoError(t, err)
	require.Equal(t, "/kv/a%20b/100%25/%C3%BC%3F%23%3B+/%252F?consistency=quorum", target.Load())
}

func TestBadPathAsksNobody(t *testing.T) {
	m := newMember(t, value(""))
	c := newClient(t, quick(m.URL))
	_, err := c.Put(t.Context(), "a//b", node.DefaultLevel, nil, "")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, slot.ErrBadPath)
	require.Equal(t, api.BadPath, e.Code)
	require.Equal(t, api.NotApplied, e.Outcome)
	_, err = c.List(t.Context(), node.ListRequest{Directory: "no-slash"})
	require.Equal(t, api.BadPath, CodeOf(err))
	require.Zero(t, m.asked.Load())
}

func TestSilentEndpointIsPassedOver(t *testing.T) {
	m := newMember(t, created)
	o := quick(silent(t), m.URL)
	o.RetryDelayMin, o.RetryDelayMax = time.Hour, time.Hour // the next endpoint is tried without waiting.
	c := newClient(t, o)
	w, err := c.Put(t.Context(), "a", node.DefaultLevel, []byte("x"), "text/plain")
	require.NoError(t, err)
	require.True(t, w.Created)
	require.Equal(t, "8-cd", w.ETag)
	require.EqualValues(t, 1, c.preferred.Load(), "the endpoint that answered is asked first from now on")
}

func TestNobodyThere(t *testing.T) {
	o := quick(silent(t), silent(t))
	o.AttemptsMax = 5
	c := newClient(t, o)
	_, err := c.Delete(t.Context(), "a", node.DefaultLevel)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, Unreachable, e.Code)
	require.Equal(t, api.NotApplied, e.Outcome, "nothing was ever sent")
	require.Equal(t, 5, e.Attempts)
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "nothing was written")
}

func TestUnknownWriteIsLeftToTheCaller(t *testing.T) {
	m := newMember(t, hangUp, created)
	c := newClient(t, quick(m.URL))
	_, err := c.Put(t.Context(), "a", node.DefaultLevel, []byte("x"), "")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.Unknown, e.Outcome)
	require.True(t, e.Retryable)
	require.EqualValues(t, 1, m.asked.Load())
	require.ErrorContains(t, err, "read before you write again")

	m = newMember(t, refusal(api.Timeout, api.Unknown), created)
	_, err = newClient(t, quick(m.URL)).Delete(t.Context(), "a", node.DefaultLevel)
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.Timeout, e.Code)
	require.Equal(t, api.Unknown, e.Outcome)
	require.EqualValues(t, 1, m.asked.Load())
}

func TestRetryUnknown(t *testing.T) {
	m := newMember(t, hangUp, created)
	o := quick(m.URL)
	o.RetryUnknown = true
	_, err := newClient(t, o).Put(t.Context(), "a", node.DefaultLevel, []byte("x"), "")
	require.NoError(t, err)
	require.EqualValues(t, 2, m.asked.Load())
}

// A first attempt may have written; that the second certainly did not does not make the whole certain.
func TestLaterRefusalDoesNotUndoAnUnknownOutcome(t *testing.T) {
	m := newMember(t, hangUp, refusal(api.ReadOnly, api.NotApplied))
	o := quick(m.URL)
	o.RetryUnknown, o.AttemptsMax = true, 2
	_, err := newClient(t, o).Put(t.Context(), "a", node.DefaultLevel, []byte("x"), "")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.ReadOnly, e.Code)
	require.Equal(t, api.Unknown, e.Outcome)
}

func TestRefusedWriteIsTriedElsewhere(t *testing.T) {
	m1, m2 := newMember(t, refusal(api.ReadOnly, api.NotApplied)), newMember(t, created)
	c := newClient(t, quick(m1.URL, m2.URL))
	_, err := c.Put(t.Context(), "a", node.DefaultLevel, []byte("x"), "")
	require.NoError(t, err)
	require.EqualValues(t, 1, m1.asked.Load())
	require.EqualValues(t, 1, m2.asked.Load())
}

// Retry-After is a second, the longest pause two milliseconds: the test would take long if the bound were not kept.
func TestBusyMemberIsAskedAgain(t *testing.T) {
	m := newMember(t, refusal(api.Overloaded, api.NotApplied), refusal(api.Overloaded, api.NotApplied), created)
	_, err := newClient(t, quick(m.URL)).Put(t.Context(), "a", node.DefaultLevel, nil, "")
	require.NoError(t, err)
	require.EqualValues(t, 3, m.asked.Load())
}

func TestDefiniteAnswersAreNotRepeated(t *testing.T) {
	for _, code := range []api.Code{api.NotFound, api.BadPath, api.NotImplemented, api.BadConsistency} {
		m := newMember(t, refusal(code, ""))
		_, err := newClient(t, quick(m.URL)).Get(t.Context(), "a", node.DefaultLevel)
		require.Equal(t, code, CodeOf(err))
		require.Equal(t, code == api.NotFound, IsNotFound(err))
		require.EqualValues(t, 1, m.asked.Load(), code)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Empty(t, e.Outcome, "a read has none")
		require.Equal(t, "because", e.Detail)
	}
	require.Empty(t, CodeOf(io.EOF))
}

func TestReadCutShortIsTriedAgain(t *testing.T) {
	short := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	}
	m := newMember(t, short, value("whole"))
	got, err := newClient(t, quick(m.URL)).Get(t.Context(), "a", node.DefaultLevel)
	require.NoError(t, err)
	require.Equal(t, "whole", string(got.Body))
}

func TestSomethingElseAnswers(t *testing.T) {
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<h1>hello</h1>")
		}
	}
	o := quick(newMember(t, page(http.StatusBadGateway)).URL)
	o.AttemptsMax = 2
	c := newClient(t, o)
	_, err := c.Put(t.Context(), "a", node.DefaultLevel, nil, "")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.Unknown, e.Outcome, "a gateway may have passed it on")
	require.Equal(t, 1, e.Attempts)
	require.ErrorContains(t, err, "HTTP 502")

	_, err = newClient(t, quick(newMember(t, page(http.StatusOK)).URL)).Status(t.Context())
	require.ErrorContains(t, err, "not the JSON")

	long := make([]byte, slot.ValueBytesHardMax+1)
	m := newMember(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(long) })
	o = quick(m.URL)
	o.AttemptsMax = 1
	_, err = newClient(t, o).Get(t.Context(), "a", node.DefaultLevel)
	require.ErrorIs(t, err, errTooLong)
}

func TestContextEndsThePause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := newMember(t, func(w http.ResponseWriter, r *http.Request) {
		refusal(api.Syncing, "")(w, r)
		cancel() // the answer may or may not have arrived: either way nothing is asked again.
	})
	o := quick(m.URL)
	o.RetryDelayMin, o.RetryDelayMax = time.Hour, time.Hour
	_, err := newClient(t, o).Get(ctx, "a", node.DefaultLevel)
	require.Error(t, err)
	require.EqualValues(t, 1, m.asked.Load())
}

func TestAttemptTimeout(t *testing.T) {
	release := make(chan struct{})
	m := newMember(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	defer close(release)
	o := quick(m.URL)
	o.AttemptTimeout = 20 * time.Millisecond
	_, err := newClient(t, o).Put(t.Context(), "a", node.DefaultLevel, nil, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.Unknown, e.Outcome)
	require.Contains(t, e.Error(), "no answer in time")
}

func TestEntriesWalksAllPages(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("after")) // an empty one is zero.
		doc := api.Listing{Directory: "d/", More: n < 4,
			Entries: []api.Entry{{Path: strconv.Itoa(n + 1)}, {Path: strconv.Itoa(n + 2)}}}
		if doc.More {
			doc.Next = strconv.Itoa(n + 2)
		}
		_ = json.NewEncoder(w).Encode(doc)
	}
	c := newClient(t, quick(newMember(t, page).URL))
	var got []string
	for e, err := range c.Entries(t.Context(), node.ListRequest{Directory: "d/", Limit: 2, Recursive: true}) {
		require.NoError(t, err)
		got = append(got, e.Path)
	}
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, got)

	circle := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Listing{More: true, Next: "x"})
	}
	c = newClient(t, quick(newMember(t, circle).URL))
	var last error
	for _, err := range c.Entries(t.Context(), node.ListRequest{}) {
		last = err
	}
	require.ErrorContains(t, last, "circles")
}

// A header that cannot be sent is the caller's mistake: nothing was asked, and so nothing can have happened.
func TestHeadersThatCannotBeSent(t *testing.T) {
	m := newMember(t, created)
	c := newClient(t, quick(m.URL))
	for _, cond := range []Condition{{}, IfAbsent().WithKey("a\nb"), IfVersion("1\r\nX: y")} {
		contentType := ""
		if cond == (Condition{}) {
			contentType = "a\nb"
		}
		_, err := c.PutIf(context.Background(), "x", cond, nil, contentType)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, api.BadHeader, e.Code)
		require.Equal(t, api.NotApplied, e.Outcome)
		require.Equal(t, 1, e.Attempts)
	}
	require.Zero(t, m.asked.Load())
	_, err := c.PutIf(context.Background(), "x", IfAbsent().WithKey("a\tü"), nil, "text/plain")
	require.NoError(t, err)
}

// What a member has answered, such as a lost majority, says more than an endpoint that did not answer at all.
func TestTheAnswerOfAMemberOutweighsSilence(t *testing.T) {
	m := newMember(t, refusal(api.NoQuorum, ""))
	o := quick(m.URL, silent(t), silent(t))
	o.AttemptsMax = 3
	_, err := newClient(t, o).Get(t.Context(), "a", node.Linearizable)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.NoQuorum, e.Code)
	require.Equal(t, 3, e.Attempts)

	m = newMember(t, refusal(api.NoQuorum, api.NotApplied))
	o.Endpoints[0] = m.URL
	_, err = newClient(t, o).Put(t.Context(), "a", node.Linearizable, nil, "")
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.NoQuorum, e.Code)
	require.Equal(t, api.NotApplied, e.Outcome)
}

// Each attempt says when it will have been given up, so that a node that stood still drops it; and a client whose clock
// is wrong, so that members drop what is not late, says it no more.
func TestDeadlineTravels(t *testing.T) {
	var told []string
	m := newMember(t, func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Header.Get(api.HeaderDeadline))
		refusal(api.Overdue, api.NotApplied)(w, r)
	}, func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Header.Get(api.HeaderDeadline))
		created(w, r)
	})
	o := quick(m.URL)
	before := time.Now()
	_, err := newClient(t, o).Put(t.Context(), "a", node.Eventual, nil, "")
	require.NoError(t, err)
	require.Len(t, told, 2)
	at, err := strconv.ParseInt(told[0], 10, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, at, before.Add(o.AttemptTimeout).UnixMilli())
	require.Empty(t, told[1])
}
