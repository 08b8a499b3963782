package simcmd

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The examples of a soak on many machines are YAML, have as many shards as they say, and use flags that there are.
func TestSoakExamples(t *testing.T) {
	read := func(name string) (doc map[string]any) {
		text, err := os.ReadFile("../../deploy/soak/" + name)
		require.NoError(t, err)
		require.NoError(t, yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc))
		return doc
	}
	spec := read("job.yaml")["spec"].(map[string]any)
	require.Equal(t, "Indexed", spec["completionMode"])
	container := spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	require.Equal(t, 20, spec["completions"])
	require.Contains(t, container["args"].([]any)[0], `--shard "$((JOB_COMPLETION_INDEX + 1))/20"`)

	jobs := read("matrix.yaml")["jobs"].(map[string]any)
	shards := jobs["soak"].(map[string]any)["strategy"].(map[string]any)["matrix"].(map[string]any)["shard"].([]any)
	require.Len(t, shards, 8)
	require.Contains(t, jobs["soak"].(map[string]any)["steps"].([]any)[1].(map[string]any)["run"], "/8 ")

	soak := tools(t).newSoakCommand()
	for _, flag := range []string{"seeds", "scenario", "shard", "out", "resume", "broken-max"} {
		require.NotNil(t, soak.Flags().Lookup(flag), flag)
	}
}
