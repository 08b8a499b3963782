package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/logging"
)

func TestLevelsAndFormatsParseAsTheyPrint(t *testing.T) {
	for _, word := range []string{"debug", "info", "warn", "error"} {
		l, err := logging.ParseLevel(word)
		require.NoError(t, err)
		require.Equal(t, word, logging.LevelName(l))
	}
	for _, word := range []string{"text", "json"} {
		f, err := logging.ParseFormat(word)
		require.NoError(t, err)
		require.Equal(t, word, f.String())
	}
	_, err := logging.ParseLevel("loud")
	require.ErrorContains(t, err, "use debug, info, warn or error")
	_, err = logging.ParseFormat("xml")
	require.ErrorContains(t, err, "use text or json")
}

func TestLinesOfTheCoreKeepLevelAndAttributes(t *testing.T) {
	var out bytes.Buffer
	l := logging.New(&out, slog.LevelInfo, logging.JSON)
	logging.Emit(l, node.Log{Level: node.LogDebug, Msg: "not shown"})
	require.Zero(t, out.Len())

	logging.Emit(l, node.Log{Level: node.LogWarn, Msg: "mode changed", Attrs: []any{"mode", "read-only", "free", 7}})
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "WARN", line["level"])
	require.Equal(t, "mode changed", line["msg"])
	require.Equal(t, "read-only", line["mode"])
	require.EqualValues(t, 7, line["free"])

	out.Reset()
	logging.Emit(logging.New(&out, slog.LevelInfo, logging.Text),
		node.Log{Level: node.LogInfo, Msg: "hello", Attrs: []any{"a", 1}})
	require.Contains(t, out.String(), `level=INFO msg=hello a=1`)
}

func TestTheCoreIsToldWhichLinesToMake(t *testing.T) {
	for level, want := range map[slog.Level]node.LogLevel{
		slog.LevelDebug: node.LogDebug, slog.LevelInfo: node.LogInfo, slog.LevelWarn: node.LogWarn,
		slog.LevelError:     node.LogError,
		slog.LevelError + 4: node.LogError,
	} {
		require.Equal(t, want, logging.NodeLevel(logging.New(&bytes.Buffer{}, level, logging.Text)), level.String())
	}
}
