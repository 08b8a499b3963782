package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/cmd/reference"
	"kvs/node/host/config"
)

// The pages of the reference that code knows are what the code says; -update writes them.
func TestReferenceIsTrue(t *testing.T) {
	commands, err := reference.Page(newRoot(newBench(t).app))
	require.NoError(t, err)
	requirePage(t, "kvs.md", commands)
	requirePage(t, "configuration.md", `# The configuration of a node

This is the file that `+"`kvs init` and `kvs NAME.yaml`"+` write, with what each setting means and its default.
Every setting may be left out. An unknown one is an error that names the line and the nearest known one. `+
		"`${NAME}`"+` in a value is what the environment says; a variable that is not set is an error, and `+
		"`$${`"+` stands for `+"`${`"+` itself.

A variable of the environment that is named after a key has precedence over the file: `+"`KVS_LISTEN`"+`
for `+"`listen`, `KVS_LOG_LEVEL` for `log.level`"+`; a list has commas between its values.
`+"`kvs config show CONFIG`"+` tells where each setting comes from, and `+"`kvs config check CONFIG`"+`
what is wrong.

`+"```yaml\n"+string(config.Render(config.Default()))+"```\n")
	requirePage(t, "exit-codes.md", "# The exit codes of kvs\n\n```\n"+exitCodesText()+"```\n")
}

func requirePage(t *testing.T, name, want string) {
	t.Helper()
	path := "../../docs/reference/" + name
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, want == string(got),
		"docs/reference/%s is not what the code says: run go test ./cmd/kvs -run TestReference -update", name)
}
