package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/archive"
)

// someValues is an archive of n values.
func someValues(t *testing.T, n int) *archive.Reader {
	t.Helper()
	var file bytes.Buffer
	w, err := archive.NewWriter(&file, archive.Head{})
	require.NoError(t, err)
	text := "v"
	for i := range n {
		require.NoError(t, w.Add(&api.Entry{Path: fmt.Sprintf("p/%06d", i), ContentType: "text/plain", Text: &text}))
	}
	_, err = w.Close(time.Unix(0, 0))
	require.NoError(t, err)
	r, err := archive.NewReader(&file)
	require.NoError(t, err)
	return r
}

// importInto imports values into a cluster that answers batches as given.
func importInto(t *testing.T, n int, answer func(ops []api.BatchOperation) []api.BatchResult) (*imported, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ops []api.BatchOperation
		if err := json.NewDecoder(r.Body).Decode(&ops); err != nil {
			w.WriteHeader(http.StatusBadRequest) // the client has given up meanwhile; or else it reports this.
			return
		}
		results := answer(ops)
		if results == nil {
			w.Header().Set("Content-Type", api.ContentTypeProblem)
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"code":"not_allowed","title":"no","status":403}`)
			return
		}
		w.Header().Set("Content-Type", api.ContentTypeJSON)
		w.WriteHeader(http.StatusMultiStatus)
		_ = json.NewEncoder(w).Encode(api.BatchResults{Results: results})
	}))
	defer server.Close()
	c, err := client.New(client.DefaultOptions(strings.TrimPrefix(server.URL, "http://")))
	require.NoError(t, err)
	defer c.Close()
	e := &Env{Err: io.Discard, Say: func(string, ...any) {}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return e.load(ctx, c, node.DefaultLevel, someValues(t, n), 0, importing{})
}

// A node is given several batches at once, each value once, and no more than the bound.
func TestImportWritesBatchesAtTheSameTime(t *testing.T) {
	const batches = 3 * importBatchesMax
	var mu sync.Mutex
	seen := map[string]int{}
	under, most := 0, 0
	all := make(chan struct{}) // closed when as many as there may be are under way.
	report, err := importInto(t, batches*api.BatchOperationsMax, func(ops []api.BatchOperation) []api.BatchResult {
		mu.Lock()
		if under++; under == importBatchesMax && most < under {
			close(all)
		}
		most = max(most, under)
		mu.Unlock()
		select {
		case <-all:
		case <-time.After(30 * time.Second):
			t.Error("batches wait for each other")
		}
		mu.Lock()
		defer mu.Unlock()
		under--
		results := make([]api.BatchResult, len(ops))
		for i, op := range ops {
			seen[op.Path]++
			results[i] = api.BatchResult{Op: op.Op, Path: op.Path}
		}
		return results
	})
	require.NoError(t, err)
	require.Equal(t, batches*api.BatchOperationsMax, report.Written)
	require.Equal(t, report.Read, report.Written)
	require.Len(t, seen, report.Written, "each of them once")
	require.Equal(t, importBatchesMax, most)
}

// Values that fail are named in their order, whichever batch ended first.
func TestImportNamesWhatFailed(t *testing.T) {
	report, err := importInto(t, 20*api.BatchOperationsMax, func(ops []api.BatchOperation) []api.BatchResult {
		results := make([]api.BatchResult, len(ops))
		for i, op := range ops {
			results[i] = api.BatchResult{Op: op.Op, Path: op.Path}
			if i%64 == 0 {
				results[i].Problem = &api.Problem{Code: api.BadPath, Status: 400, Outcome: api.NotApplied}
			}
		}
		return results
	})
	require.NoError(t, err)
	require.Len(t, report.Failed, 40)
	require.Equal(t, 20*api.BatchOperationsMax-40, report.Written)
	for i, failed := range report.Failed {
		require.Equal(t, fmt.Sprintf("p/%06d", 64*i), failed.Path)
	}
}

// The first error ends the import, and is what is told.
func TestImportEndsWithTheFirstError(t *testing.T) {
	refused := func([]api.BatchOperation) []api.BatchResult { return nil }
	report, err := importInto(t, 100*api.BatchOperationsMax, refused)
	require.Equal(t, api.NotAllowed, client.CodeOf(err))
	require.Zero(t, report.Written)
	require.Less(t, report.Read, 100*api.BatchOperationsMax)
}
