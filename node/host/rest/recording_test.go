package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/host/rest/recordings"
)

func TestRecording(t *testing.T) {
	var asked []string
	var fails error
	s := newSite(t, func(o *Options) {
		o.Recording = func(ctx context.Context, last time.Duration, hashed bool) (io.ReadCloser, int64, error) {
			require.NoError(t, ctx.Err())
			asked = append(asked, fmt.Sprint(last, " ", hashed))
			content := "recording"
			return io.NopCloser(strings.NewReader(content)), int64(len(content)), fails
		}
	})
	for _, query := range []string{"", "?last=30s", "?hash_values=true", "?hash_values&last=1h", "?hash_values=false"} {
		r := s.do("GET", "/debug/recording"+query, "")
		require.Equal(t, 200, r.status)
		require.Equal(t, "recording", r.body)
		require.Equal(t, "9", r.header.Get("Content-Length"))
	}
	require.Equal(t, []string{"5m0s false", "30s false", "5m0s true", "1h0m0s true", "5m0s false"}, asked)
	for _, query := range []string{"?last=x", "?last=-1s", "?hash_values=yes", "?hash_values=1", "?hashed=true",
		"?last=1s&last=2s"} {
		s.do("GET", "/debug/recording"+query, "").problem(api.BadParameter)
	}
	require.Len(t, asked, 5)
	for code, err := range map[api.Code]error{
		api.Overloaded: fmt.Errorf("hash: %w", recordings.ErrBusy),
		api.Internal:   fmt.Errorf("hash: %w", recordings.ErrFailed),
		api.NotFound:   errors.New("nothing is recorded"),
	} {
		fails = err
		s.do("GET", "/debug/recording?hash_values=true", "").problem(code)
	}
}
