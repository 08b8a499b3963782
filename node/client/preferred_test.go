package client

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

// An endpoint that stands still costs one operation its time, not each one after it.
func TestNextOperationBeginsElsewhere(t *testing.T) {
	still := make(chan struct{})
	stands := newMember(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-still:
		case <-r.Context().Done():
		}
	})
	defer close(still)
	works := newMember(t, value("hello"))
	o := quick(stands.URL, works.URL)
	o.AttemptsMax = 1
	o.AttemptTimeout = o.RetryDelayMax
	c := newClient(t, o)
	_, err := c.Get(t.Context(), "a", node.DefaultLevel)
	require.Equal(t, Unreachable, CodeOf(err))
	require.EqualValues(t, 1, c.preferred.Load())

	// an answer that will not change is no reason.
	refuses := newMember(t, refusal(api.NotAllowed, ""))
	c = newClient(t, quick(refuses.URL, works.URL))
	_, err = c.Get(t.Context(), "a", node.DefaultLevel)
	require.Equal(t, api.NotAllowed, CodeOf(err))
	require.Zero(t, c.preferred.Load())
}
