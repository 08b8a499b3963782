package ops

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client"
	"kvs/node/daemon"
	"kvs/node/host/config"
)

// Env is what the commands need of the program that they belong to.
type Env struct {
	Out, Err io.Writer
	Environ  func() []string // NAME=VALUE, as os.Environ returns them.
	Now      func() time.Time

	// Say writes one line of commentary.
	Say func(format string, args ...any)

	// Resolve finds the configuration that an argument names, and reports whether it exists.
	Resolve func(arg string) (daemon.Instance, bool, error)

	// Complete completes arguments that name nodes.
	Complete cobra.CompletionFunc

	// Daemon knows the nodes of this user on this machine.
	Daemon func() (*daemon.Daemon, error)

	// Ask adds the flags of connections to a command, and returns what runs do with a client of the cluster that they
	// name.
	Ask func(cmd *cobra.Command) func(ctx context.Context, do func(context.Context, *client.Client) error) error

	// Dial returns a client of one node, with the credentials of cfg's node. Member: the address is one of a member, so
	// its certificate has to name it; otherwise it is that of the node itself, at an address of this machine. Patience
	// bounds one answer.
	Dial func(cfg *config.Config, address string, member bool, patience time.Duration) (*client.Client, error)

	// Interruptible ends the context with the first Ctrl-C or SIGTERM.
	Interruptible func(context.Context) (context.Context, func())
}

// How long a node may take for one answer.
const (
	patience        = 45 * time.Second // the longest is a profile of its CPU.
	patienceHashing = time.Hour        // what was recorded in a large ring is run again, twice.
)

// Commands are those of this package.
func Commands(env *Env) []*cobra.Command {
	return []*cobra.Command{newConfig(env), newDoctor(env), newDebug(env), newLogLevel(env)}
}

// instances are those that the arguments name; without arguments, all that are known on this machine.
func (e *Env) instances(d *daemon.Daemon, args []string) ([]daemon.Instance, error) {
	if len(args) == 0 {
		known, err := d.Known()
		if err == nil && len(known) == 0 {
			err = exit.BadUsage("no node of this user runs here: name its configuration")
		}
		return known, err
	}
	var out []daemon.Instance
	for _, arg := range args {
		inst, exists, err := e.Resolve(arg)
		switch {
		case err != nil:
			return nil, exit.With(exit.Usage, err)
		case !exists:
			return nil, exit.BadUsage("%s: there is no such configuration; kvs init writes one", arg)
		}
		out = append(out, inst)
	}
	return out, nil
}

// newLogLevel shows or sets the level of a node's log.
func newLogLevel(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log-level [debug|info|warn|error]",
		Short: "Show or change the level of a node's log while it runs",
		Long: `Show the level of the log of the node that --endpoint names, or change it. A change counts at once,
until the node ends, or reads its configuration again on SIGHUP: log.level there is for good.`,
		Args:      args(cobra.MaximumNArgs(1)),
		ValidArgs: []string{"debug", "info", "warn", "error"},
	}
	ask := env.Ask(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return ask(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			if len(args) == 1 {
				if err := c.SetLogLevel(ctx, args[0]); err != nil {
					return err
				}
			}
			level, err := c.LogLevel(ctx)
			if err == nil {
				_, err = io.WriteString(env.Out, level+"\n")
			}
			return err
		})
	}
	return cmd
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

// problems are the lines of joined errors.
func problems(err error) []string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var out []string
		for _, e := range joined.Unwrap() {
			out = append(out, problems(e)...)
		}
		return out
	}
	return strings.Split(err.Error(), "\n")
}
