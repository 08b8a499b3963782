package sim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWaysOfFailing(t *testing.T) {
	r := Result{Violations: []Violation{
		{Promise: "converged"}, {Promise: "no-panic",
			Detail: "index out of range [3] with length 3\nstack"}, {Promise: "converged"}, {Promise: "finished"},
	}}
	require.Equal(t, []string{"converged", "no-panic: index out of range [] with length ", "finished"}, r.Ways())
	require.Empty(t, (&Result{}).Ways())
}
