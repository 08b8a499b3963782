package kvs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/client"
	"kvs/scenarios/live/driver"
)

func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		err              error
		certain, refused bool
	}{
		{&client.Error{Code: api.Precondition, Outcome: api.NotApplied}, false, true},
		{&client.Error{Outcome: api.NotApplied}, true, false},
		{fmt.Errorf("put: %w", &client.Error{Outcome: api.NotApplied}), true, false},
		{&client.Error{Outcome: api.Unknown}, false, false},
		{&client.Error{}, false, false},
		{context.DeadlineExceeded, false, false},
		{nil, false, false},
	} {
		err := outcome(test.err)
		require.Equal(t, test.err == nil, err == nil)
		require.Equal(t, test.certain, driver.Certain(err), "%v", test.err)
		require.Equal(t, test.refused, errors.Is(err, driver.ErrRefused), "%v", test.err)
	}
	_, err := New(Options{Level: "strong"})
	require.Error(t, err)
}
