package ops

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/daemon"
)

// Env is what the commands need of the program that they belong to.
type Env struct {
	Out, Err io.Writer
	Environ  func() []string // NAME=VALUE, as os.Environ returns them.

	// Resolve finds the configuration that an argument names, and reports whether it exists.
	Resolve func(arg string) (daemon.Instance, bool, error)

	// Complete completes arguments that name nodes.
	Complete cobra.CompletionFunc
}

// Commands are those of this package.
func Commands(env *Env) []*cobra.Command {
	return []*cobra.Command{newConfig(env)}
}

// args makes a wrong number of arguments a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return exit.BadUsage("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

// outputFlag is the flag -o.
type outputFlag struct {
	format  string
	formats []string // the first one is the default.
}

func (o *outputFlag) add(cmd *cobra.Command, formats ...string) {
	o.formats = formats
	cmd.Flags().StringVarP(&o.format, "output", "o", formats[0], "output format: "+strings.Join(formats, " or "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func (o *outputFlag) check() error {
	if !slices.Contains(o.formats, o.format) {
		return exit.BadUsage("--output %q: want %s", o.format, strings.Join(o.formats, " or "))
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
