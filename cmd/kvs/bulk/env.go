package bulk

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// Ask runs do against the cluster that the flags of a command name, within its time limit and until interrupted.
type Ask func(ctx context.Context, do func(context.Context, *client.Client, node.Level) error) error

// Env is what the commands need of their surroundings.
type Env struct {
	In       io.Reader
	Out, Err io.Writer

	// Say writes one line of commentary.
	Say func(format string, args ...any)

	// Asker adds the flags of connections to a command, and returns what uses them. withLevel adds --consistency. The
	// default of --timeout is as given.
	Asker func(cmd *cobra.Command, withLevel bool, timeout time.Duration) Ask

	// Output adds the flag --output to a command, and returns what reads it; the first choice is the default.
	Output func(cmd *cobra.Command, choices ...string) func() (string, error)

	// Usage is a mistake on the command line; Failed is an end with failures that have been printed. unknown: a write
	// may have happened.
	Usage  func(format string, args ...any) error
	Failed func(unknown bool, err error) error
}

// timeoutDefault is how long commands may take that move everything there is.
const timeoutDefault = 24 * time.Hour

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// isUnknown reports whether a failed operation may have happened.
func isUnknown(r *api.BatchResult) bool { return r.Problem != nil && r.Problem.Outcome == api.Unknown }

// exactArgs is for commands with one argument.
func (e *Env) exactArgs(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return e.Usage("accepts 1 arg(s), received %d; see %s --help", len(args), name)
		}
		return nil
	}
}
