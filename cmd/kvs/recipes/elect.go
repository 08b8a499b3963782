package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client"
	"kvs/node/client/recipe"
)

const electLong = `Campaign at NAME, and run CMD as soon as and for as long as this command leads. If the lead is lost,
CMD is stopped as by kvs lock, and the command campaigns again. It ends when CMD ends by itself, with the
exit code of CMD, or with SIGINT, SIGTERM or SIGHUP, which are passed on to CMD: then it resigns.

CMD finds in KVS_FENCING_TOKEN a number that is higher than those of all leaders before it. Others learn
who leads, and under which number, from kvs leader NAME: run the same kvs elect on each machine, with
the address of its service as --holder.`

func newElect(e *Environment) *cobra.Command {
	var o guardedOptions
	cmd := &cobra.Command{
		Use:   "elect NAME -- CMD [ARG...]",
		Short: "Run a program while being the leader",
		Long:  electLong,
		Args:  arguments(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runElect(cmd.Context(), e, &o, args[0], args[1:])
		},
	}
	o.addFlags(e, cmd, "holder", "what others learn of this leader: its address, for instance (default HOST:PID)")
	return cmd
}

func runElect(ctx context.Context, e *Environment, o *guardedOptions, name string, argv []string) error {
	u, end, err := o.begin(e)
	if err != nil {
		return err
	}
	defer end()
	election, err := recipe.NewElection(u.client, name, u.options)
	if err != nil {
		return err
	}
	for {
		campaign, stop := until(ctx, u.signals)
		l, err := election.Campaign(campaign)
		interrupted := stop()
		if interrupted && err == nil {
			release(e, l, u.options.TTL)
		}
		switch {
		case interrupted:
			return errInterrupted
		case err != nil:
			return err
		}
		e.Say("kvs: leads %s under token %d", name, l.Token())
		how, err := guarded(e, o, l, argv, u.signals)
		release(e, l, u.options.TTL)
		if err != nil || !how.lost || how.signalled {
			return exitOf(how, err)
		}
	}
}

// leaderOptions are the flags of kvs leader.
type leaderOptions struct {
	connect func(attempt time.Duration) (*client.Client, error)
	follow  bool
	output  string
	timeout time.Duration
}

// leaderJSON is the form of -o json: members are added, never renamed. The token is text, since numbers of JavaScript
// have 53 bits.
type leaderJSON struct {
	Leads  bool   `json:"leads"` // there is a leader.
	Holder string `json:"holder,omitempty"`
	Token  string `json:"token,omitempty"`
}

func newLeader(e *Environment) *cobra.Command {
	var o leaderOptions
	cmd := &cobra.Command{
		Use:   "leader NAME",
		Short: "Show who leads, or who holds a lock",
		Long: `Show the leader that kvs elect NAME has chosen, or the holder of kvs lock NAME: its token and its name.
If there is none, the exit code is 4. With --follow each change is shown on a line until the command is
interrupted; a line with a dash says that there is no leader.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return runLeader(cmd.Context(), e, &o, args[0]) },
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "show each change until interrupted")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "output format: text or json")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Second, "how long the answer may take, without --follow")
	o.connect = e.Reach(cmd)
	return cmd
}

func runLeader(ctx context.Context, e *Environment, o *leaderOptions, name string) error {
	if o.output != "text" && o.output != "json" {
		return exit.BadUsage("--output %q: want text or json", o.output)
	}
	if o.timeout <= 0 {
		return exit.BadUsage("--timeout %v: want more than 0, such as 30s", o.timeout)
	}
	signals := make(chan os.Signal, 1)
	defer e.Notify(signals)()
	c, err := o.connect(min(o.timeout, 5*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	election, err := recipe.NewElection(c, name, recipe.DefaultOptions())
	if err != nil {
		return err
	}
	ctx, stop := until(ctx, signals)
	defer stop()
	if !o.follow {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		l, err := election.Leader(ctx)
		if err != nil {
			return err
		}
		if err := showLeader(e, o, l); err != nil || l.Token != 0 {
			return err
		}
		return exit.With(exit.NotFound, nil)
	}
	for l, err := range election.Observe(ctx) {
		if errors.Is(err, errInterrupted) {
			return nil // it is how it is meant to end.
		}
		if err == nil {
			err = showLeader(e, o, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func showLeader(e *Environment, o *leaderOptions, l recipe.Leader) (err error) {
	switch {
	case o.output == "json" && l.Token != 0:
		err = json.NewEncoder(e.Out).Encode(leaderJSON{true, l.Holder, l.Token.String()})
	case o.output == "json":
		err = json.NewEncoder(e.Out).Encode(leaderJSON{})
	case l.Token != 0:
		_, err = fmt.Fprintf(e.Out, "%d %s\n", l.Token, l.Holder)
	case o.follow:
		_, err = fmt.Fprintln(e.Out, "-")
	}
	return err
}
