package driver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsCertain(t *testing.T) {
	for _, test := range []struct {
		err     error
		certain bool
	}{
		{errors.New("anything"), false},
		{context.DeadlineExceeded, false},
		{io.ErrUnexpectedEOF, false},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, false},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		{NotDone(errors.New("anything")), true},
		{NotDonef("status %d", 400), true},
		{nil, false},
		{NotDone(nil), false},
	} {
		require.Equal(t, test.certain, Certain(test.err), "%v", test.err)
	}
}

// A redirection is an answer, an answer that breaks off is an error that leaves all open, and nothing is sent twice.
func TestWebAsksOnce(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		mu.Unlock()
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	w := NewWeb(server.Listener.Addr().String())
	defer w.Close()
	a, err := w.Do(t.Context(), http.MethodPut, "/elsewhere", http.Header{"X-A": {"b"}}, []byte("body"))
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, a.Status)
	_, err = w.Do(t.Context(), http.MethodPut, "/broken", nil, []byte("body"))
	require.Error(t, err)
	require.False(t, Certain(err))
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, map[string]int{"/elsewhere": 1, "/broken": 1}, asked)
}
