package client

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", api.ContentTypeJSON)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestBatchResults(t *testing.T) {
	m := newMember(t, answering(207, `{"results":[{"op":"put","path":"a","status":201,"etag":"e"},`+
		`{"op":"get","path":"b",`+
		`"status":404,"problem":{"code":"not_found","detail":"none","status":404}}],"failed":1}`))
	c := newClient(t, quick(m.URL))
	results, err := c.Batch(t.Context(), []api.BatchOperation{{Op: "put", Path: "a"}, {Op: "get", Path: "b"}})
	require.NoError(t, err)
	require.NoError(t, ResultError(&results[0]))
	require.True(t, IsNotFound(ResultError(&results[1])))

	// An answer that does not have a result for each: what happened is not known.
	_, err = c.Batch(t.Context(), []api.BatchOperation{{Op: "put", Path: "a"}})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.Unknown, e.Outcome)
	_, err = c.Batch(t.Context(), []api.BatchOperation{{Op: "get", Path: "a"}})
	require.ErrorAs(t, err, &e)
	require.Empty(t, e.Outcome)
}

// A batch whose outcome is unknown is sent again only if that is harmless.
func TestBatchIsRepeatedIfHarmless(t *testing.T) {
	good := answering(207, `{"results":[{"op":"x","path":"a","status":204}],"failed":0}`)
	for _, c := range []struct {
		op       api.BatchOperation
		repeated bool
	}{
		{api.BatchOperation{Op: "get", Path: "a"}, true},
		{api.BatchOperation{Op: "put", Path: "a", IdempotencyKey: "k"}, true},
		{api.BatchOperation{Op: "put", Path: "a"}, false},
	} {
		m := newMember(t, hangUp, good)
		_, err := newClient(t, quick(m.URL)).Batch(t.Context(), []api.BatchOperation{c.op})
		if c.repeated {
			require.NoError(t, err)
			require.EqualValues(t, 2, m.asked.Load())
			continue
		}
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, api.Unknown, e.Outcome)
		require.EqualValues(t, 1, m.asked.Load())
	}
}

func TestRenew(t *testing.T) {
	var asked []string
	m := newMember(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get(api.HeaderTTL)+" "+r.Header.Get("If-Match"))
		w.Header().Set("ETag", `"8-cd"`)
		w.WriteHeader(http.StatusNoContent)
	})
	c := newClient(t, quick(m.URL))
	w, err := c.Renew(t.Context(), "a/b", Condition{}, 90*time.Minute)
	require.NoError(t, err)
	require.Equal(t, "8-cd", w.ETag)
	_, err = c.Renew(t.Context(), "a/b", IfVersion("7-ab"), Forever)
	require.NoError(t, err)
	require.Equal(t, []string{"PATCH /kv/a/b 1h30m0s ", `PATCH /kv/a/b none "7-ab"`}, asked)
}

func TestCountAddsUp(t *testing.T) {
	var asked []string
	note := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.RequestURI())
			answering(200, body)(w, r)
		}
	}
	m := newMember(t, note(`{"directory":"d/","values":3,"directories":1,"bytes":5,"more":true,"next":"d/c"}`),
		note(`{"directory":"d/","values":2,"directories":0,"bytes":7,"more":false}`))
	n, err := newClient(t, quick(m.URL)).Count(t.Context(), "d/", true)
	require.NoError(t, err)
	require.Equal(t, api.Count{Directory: "d/", Values: 5, Directories: 1, Bytes: 12}, n)
	require.Equal(t, []string{"/kv/d/?count=true&recursive=true",
		"/kv/d/?after=d%2Fc&count=true&recursive=true"}, asked)

	loop := newMember(t, note(`{"more":true,"next":"d/c"}`))
	_, err = newClient(t, quick(loop.URL)).Count(t.Context(), "d/", true)
	require.ErrorContains(t, err, "round in circles")
	_, err = newClient(t, quick(loop.URL)).Count(t.Context(), "d", true)
	require.Equal(t, api.BadPath, CodeOf(err))
}

func TestDeleteBelowGoesOn(t *testing.T) {
	var asked []string
	note := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.RequestURI())
			answering(status, body)(w, r)
		}
	}
	problem := `{"op":"delete","path":"d/%s","status":%d,"problem":{"code":"%s","outcome":"not_applied","status":%d}}`
	denied := fmt.Sprintf(problem, "b", 403, "not_allowed", 403)
	m := newMember(t, note(207, `{"directory":"d/","deleted":2,"failed":[`+denied+`],"more":true,"next":"d/c"}`),
		note(200, `{"directory":"d/","deleted":1,"failed":[],"more":false}`))
	var sums []int
	total, err := newClient(t, quick(m.URL)).DeleteBelow(t.Context(), "d/", node.Quorum, func(d api.Deletion) {
		sums = append(sums, d.Deleted)
	})
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, sums)
	require.Equal(t, 3, total.Deleted)
	require.Len(t, total.Failed, 1)
	require.Equal(t, []string{"DELETE /kv/d/?confirm=d%2F&consistency=quorum&recursive=true",
		"DELETE /kv/d/?after=d%2Fc&confirm=d%2F&consistency=quorum&recursive=true"}, asked)

	broken := newMember(t, note(207, `{"directory":"d/","deleted":2,"failed":[`+
		fmt.Sprintf(problem, "b", 503, "no_quorum", 503)+`],"more":true,"next":""}`))
	total, err = newClient(t, quick(broken.URL)).DeleteBelow(t.Context(), "d/", node.DefaultLevel, nil)
	require.Equal(t, api.NoQuorum, CodeOf(err))
	require.Equal(t, 2, total.Deleted)
	_, err = newClient(t, quick(broken.URL)).DeleteBelow(t.Context(), "d", node.DefaultLevel, nil)
	require.Equal(t, api.BadPath, CodeOf(err))
}
