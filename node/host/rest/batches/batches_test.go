package batches

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
)

// fakeDoor is a store in memory.
type fakeDoor struct {
	mu       sync.Mutex
	values   map[string]node.Record
	order    []string // of writes.
	calls    []int    // of Write: how many writes each had.
	answered []string
	writing  int // right now,
	most     int // and at most.
	allowed  func(access.Right, string) error
	write    func(*node.Request) (node.Response, error) // instead of the ordinary one.
	together chan struct{}                              // writes wait until it is closed.
}

func newDoor() *fakeDoor { return &fakeDoor{values: map[string]node.Record{}} }

func (f *fakeDoor) Allowed(right access.Right, path string) error {
	if f.allowed == nil {
		return nil
	}
	return f.allowed(right, path)
}

func (f *fakeDoor) Read(_ context.Context, path string, level node.Level) (node.Record, node.Level, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.values[path], level, nil
}

func (f *fakeDoor) Write(_ context.Context, rs []*node.Request, answer func(int, node.Response, error)) {
	f.mu.Lock()
	f.calls = append(f.calls, len(rs))
	f.mu.Unlock()
	for i, r := range rs {
		resp, err := f.writeOne(r)
		answer(i, resp, err)
	}
}

func (f *fakeDoor) writeOne(r *node.Request) (node.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writing++
	f.most = max(f.most, f.writing)
	if f.most == workersMax && f.together != nil {
		close(f.together)
		f.together = nil
	}
	if wait := f.together; wait != nil {
		f.mu.Unlock()
		<-wait
		f.mu.Lock()
	}
	defer func() { f.writing-- }()
	if f.write != nil {
		return f.write(r)
	}
	old := f.values[r.Path]
	if !r.Condition.Holds(&old) {
		return node.Response{Record: old, Level: r.Level}, &Refusal{api.Precondition, "another version"}
	}
	f.order = append(f.order, r.Path+"="+string(r.Value))
	rec := node.Record{TS: node.Timestamp(len(f.order)) << 16, UUID: node.UUID{byte(len(f.order))}, Value: r.Value,
		ContentType: r.ContentType, Tombstone: r.Op == node.OpDelete}
	if r.TTL > 0 {
		rec.Expires = r.TTL.Milliseconds()
	}
	f.values[r.Path] = rec
	resp := node.Response{Record: rec, Level: r.Level}
	if r.Op == node.OpPut && !old.Live() {
		resp.Code = node.CodeCreated
	}
	return resp, nil
}

func (f *fakeDoor) Problem(err error, write bool) api.Problem {
	p := api.Problem{Code: api.Internal, Status: 500, Detail: err.Error()}
	var r *Refusal
	if errors.As(err, &r) {
		kind, _ := api.Describe(r.Code)
		p = api.Problem{Code: r.Code, Status: kind.Status, Detail: r.Detail}
		if write {
			p.Outcome = api.NotApplied
		}
	}
	return p
}

func (f *fakeDoor) Answered(r *api.BatchResult, _ time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered = append(f.answered, fmt.Sprintf("%s %s %d", r.Op, r.Path, r.Status))
}

var limits = Limits{ValueBytesMax: 100, Level: node.Eventual}

func text(s string) *string { return &s }

func run(t *testing.T, f *fakeDoor, ops ...api.BatchOperation) []api.BatchResult {
	t.Helper()
	out := Run(t.Context(), f, limits, ops)
	require.Len(t, out.Results, len(ops))
	require.Len(t, f.answered, len(ops))
	f.answered = nil
	return out.Results
}

func TestResultsAreThoseOfTheOperations(t *testing.T) {
	f := newDoor()
	got := run(t, f,
		api.BatchOperation{Op: "put", Path: "a", Text: text("one"), ContentType: "x/y", TTL: "90m"},
		api.BatchOperation{Op: "put", Path: "a", Base64: []byte{0xff}, Consistency: "quorum"},
		api.BatchOperation{Op: "get", Path: "a"},
		api.BatchOperation{Op: "get", Path: "none"},
		api.BatchOperation{Op: "put", Path: "a", IfNoneMatch: []string{"*"}},
		api.BatchOperation{Op: "delete", Path: "a"},
		api.BatchOperation{Op: "get", Path: "a"},
		api.BatchOperation{Op: "put", Path: "b", Text: text(""), IdempotencyKey: "k"},
	)
	statuses := make([]int, len(got))
	for i := range got {
		statuses[i] = got[i].Status
	}
	require.Equal(t, []int{201, 204, 200, 404, 412, 204, 404, 201}, statuses)
	require.Equal(t, "1970-01-01T01:30:00Z", got[0].Expires)
	require.Equal(t, "eventual", got[0].Consistency)
	require.Equal(t, "quorum", got[1].Consistency)
	require.Equal(t, []byte{0xff}, got[2].Base64)
	require.Nil(t, got[2].Text)
	require.Equal(t, api.ContentTypeBinary, got[2].ContentType)
	require.Equal(t, got[1].ETag, got[4].ETag, "of what is there instead")
	require.Equal(t, "linearizable", got[4].Consistency)
	require.Equal(t, api.NotApplied, got[4].Problem.Outcome)
	require.Empty(t, got[5].ETag, "of a deletion")
	require.Equal(t, "linearizable", got[7].Consistency)
	b := f.values["b"]
	require.True(t, b.Live())

	version := b.Version().ETag()
	got = run(t, f, api.BatchOperation{Op: "put", Path: "b", Text: text("x"), IfMatch: []string{`"` + version + `"`}},
		api.BatchOperation{Op: "delete", Path: "b", IfMatch: []string{version}})
	require.Equal(t, 204, got[0].Status)
	require.Equal(t, 412, got[1].Status)
}

func TestWrongOperationsFailAlone(t *testing.T) {
	f := newDoor()
	for want, op := range map[string]api.BatchOperation{
		"bad_body: op":                     {Op: "list", Path: "a"},
		"bad_path:":                        {Op: "get", Path: "a/"},
		"bad_consistency:":                 {Op: "get", Path: "a", Consistency: "strong"},
		"bad_body: a get has no value":     {Op: "get", Path: "a", Text: text("x")},
		"bad_body: a delete has no value":  {Op: "delete", Path: "a", TTL: "1m"},
		"bad_body: value and value_base64": {Op: "put", Path: "a", Text: text("x"), Base64: []byte("x")},
		"value_too_large:":                 {Op: "put", Path: "a", Text: text(strings.Repeat("x", 101))},
		"bad_body: content_type of":        {Op: "put", Path: "a", ContentType: strings.Repeat("x", 5000)},
		"bad_body: content_type holds":     {Op: "put", Path: "a", ContentType: "a\nb"},
		"bad_body: ttl":                    {Op: "put", Path: "a", TTL: "soon"},
		"bad_body: if_match and":           {Op: "put", Path: "a", IfMatch: []string{"*"}, IfNoneMatch: []string{"*"}},
		"bad_body: a condition of 0":       {Op: "put", Path: "a", IfMatch: []string{}},
		"bad_body: a get has no condition": {Op: "get", Path: "a", IfMatch: []string{"*"}},
		"bad_body: idempotency_key":        {Op: "put", Path: "a", IdempotencyKey: strings.Repeat("k", 256)},
	} {
		got := run(t, f, op, api.BatchOperation{Op: "put", Path: "z", Text: text("x")})
		code, detail, _ := strings.Cut(want, ": ")
		require.NotNil(t, got[0].Problem, want)
		require.Equal(t, strings.TrimSuffix(code, ":"), string(got[0].Problem.Code), want)
		require.Contains(t, got[0].Problem.Detail, detail)
		require.Nil(t, got[1].Problem)
	}
	require.NotContains(t, f.values, "a")
}

// Operations of one path keep their order, while those of others run beside them.
func TestOrderAndConcurrency(t *testing.T) {
	f := newDoor()
	f.together = make(chan struct{}) // 16 writes have to be in flight at once.
	var ops []api.BatchOperation
	for i := range api.BatchOperationsMax {
		path := fmt.Sprintf("p%d", i%workersMax)
		ops = append(ops, api.BatchOperation{Op: "put", Path: path, Text: text(fmt.Sprint(i))})
	}
	run(t, f, ops...)
	require.Equal(t, workersMax, f.most)
	for p := range workersMax {
		var want, got []string
		for i := p; i < api.BatchOperationsMax; i += workersMax {
			want = append(want, fmt.Sprintf("p%d=%d", p, i))
		}
		for _, w := range f.order {
			if strings.HasPrefix(w, fmt.Sprintf("p%d=", p)) {
				got = append(got, w)
			}
		}
		require.Equal(t, want, got)
	}
}

// The time of a batch is shared: what is left when it ends is not begun, and says so.
func TestTimeIsShared(t *testing.T) {
	f := newDoor()
	ctx, cancel := context.WithCancel(t.Context())
	f.write = func(*node.Request) (node.Response, error) {
		cancel()
		return node.Response{}, nil
	}
	out := Run(ctx, f, limits, []api.BatchOperation{{Op: "put", Path: "a"}, {Op: "put", Path: "a"}})
	require.Nil(t, out.Results[0].Problem)
	require.Equal(t, api.Timeout, out.Results[1].Problem.Code)
	require.Equal(t, api.NotApplied, out.Results[1].Problem.Outcome)
	require.Equal(t, 1, out.Failed)
}

func TestRightsAreAskedForEachOperation(t *testing.T) {
	f := newDoor()
	var asked []string
	f.allowed = func(r access.Right, path string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		asked = append(asked, string(r)+" "+path)
		if path == "secret" {
			return &Refusal{api.NotAllowed, "no"}
		}
		return nil
	}
	got := run(t, f, api.BatchOperation{Op: "get", Path: "a"}, api.BatchOperation{Op: "put", Path: "secret"},
		api.BatchOperation{Op: "delete", Path: "b"})
	slices.Sort(asked)
	require.Equal(t, []string{"read a", "write b", "write secret"}, asked)
	require.Equal(t, 403, got[1].Status)
	require.NotContains(t, f.values, "secret")
}

// A bug in one operation is the answer to that one; one in what writes do together is the answer to those that have
// none yet.
func TestPanicIsAResult(t *testing.T) {
	f := newDoor()
	boom := func(path string) {
		if path == "b" {
			panic("test: boom")
		}
	}
	f.write = func(r *node.Request) (node.Response, error) { boom(r.Path); return node.Response{}, nil }
	ops := []api.BatchOperation{{Op: "put", Path: "a"}, {Op: "put", Path: "b"}, {Op: "put", Path: "c"}}
	got := run(t, f, ops...)
	require.Nil(t, got[0].Problem)
	require.Equal(t, api.Internal, got[1].Problem.Code)
	require.Equal(t, api.Internal, got[2].Problem.Code)

	f.write, f.allowed = nil, func(_ access.Right, path string) error { boom(path); return nil }
	got = run(t, f, ops...)
	require.Nil(t, got[0].Problem)
	require.Equal(t, api.Internal, got[1].Problem.Code)
	require.Nil(t, got[2].Problem)
}

// Writes that are alone on their paths go together, whatever else is in the batch.
func TestWritesGoTogether(t *testing.T) {
	f := newDoor()
	got := run(t, f,
		api.BatchOperation{Op: "put", Path: "a", Text: text("1")},
		api.BatchOperation{Op: "put", Path: "twice", Text: text("1")},
		api.BatchOperation{Op: "put", Path: "b/", Text: text("1")},
		api.BatchOperation{Op: "delete", Path: "c"},
		api.BatchOperation{Op: "put", Path: "d", Text: text("1"), IfNoneMatch: []string{"*"}},
		api.BatchOperation{Op: "put", Path: "twice", Text: text("2")},
		api.BatchOperation{Op: "get", Path: "e"},
	)
	statuses := make([]int, len(got))
	for i := range got {
		statuses[i] = got[i].Status
	}
	require.Equal(t, []int{201, 201, 400, 204, 201, 204, 404}, statuses)
	slices.Sort(f.calls)
	require.Equal(t, []int{1, 1, 3}, f.calls)
	require.Equal(t, "2", string(f.values["twice"].Value))
}

// The values of an answer are bounded together; what does not fit is refused and the rest answered.
func TestAnswersAreBounded(t *testing.T) {
	f := newDoor()
	var ops []api.BatchOperation
	for i := range 5 {
		path := fmt.Sprint(i)
		f.values[path] = node.Record{TS: 1, Value: make([]byte, api.BatchBytesMax/4)}
		ops = append(ops, api.BatchOperation{Op: "get", Path: path})
	}
	refused := 0
	for _, r := range run(t, f, ops...) {
		if r.Problem != nil {
			require.Equal(t, api.ValueTooLarge, r.Problem.Code)
			refused++
		}
	}
	require.Equal(t, 1, refused)
}

func TestParse(t *testing.T) {
	want := []api.BatchOperation{{Op: "put", Path: "a", Text: text("x")}, {Op: "get", Path: "b"}}
	got, err := Parse([]byte(` [{"op":"put","path":"a","value":"x"},{"op":"get","path":"b"}] `), false)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = Parse([]byte("{\"op\":\"put\",\"path\":\"a\",\"value\":\"x\"}\n\n{\"op\":\"get\",\"path\":\"b\"}"), true)
	require.NoError(t, err)
	require.Equal(t, want, got)

	many := strings.Repeat("{\"op\":\"get\",\"path\":\"b\"}\n", api.BatchOperationsMax+1)
	for _, c := range []struct {
		body  string
		lines bool
		want  string
	}{
		{"", false, "want an array"}, {"[]", false, "empty"}, {"\n\n", true, "empty"},
		{`{"op":"get","path":"b"}`, false, "want an array"}, {`[{"op":"get","path":"b"}] x`, false, "want an array"},
		{`[{"op":"get","path":"b","ifmatch":["*"]}]`, false, `unknown field "ifmatch"`},
		{"{\"op\":\"get\",\"path\":\"b\"}\nnonsense", true, "line 2:"},
		{`{"op":"get"} {"op":"get"}`, true, "line 1: there is more"},
		{many, true, "line 129: a batch has at most 128"},
		{"[" + strings.ReplaceAll(strings.TrimSpace(many), "\n", ",") + "]", false, "129 operations"},
	} {
		_, err := Parse([]byte(c.body), c.lines)
		var r *Refusal
		require.ErrorAs(t, err, &r, c.body)
		require.Equal(t, api.BadBody, r.Code)
		require.Contains(t, r.Detail, c.want)
	}
}

// FuzzParse: no body makes it panic, and what is read is within the bounds.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"op":"put","path":"a","value":"x"}]`), false)
	f.Add([]byte("{\"op\":\"get\"}\n{}"), true)
	f.Fuzz(func(t *testing.T, body []byte, lines bool) {
		ops, err := Parse(body, lines)
		if err == nil {
			require.NotEmpty(t, ops)
			require.LessOrEqual(t, len(ops), api.BatchOperationsMax)
		}
		for i := range ops {
			_, _ = request(&ops[i], limits)
		}
	})
}
