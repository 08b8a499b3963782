package main

import (
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/recipes"
	"kvs/node/client"
)

// recipeCommands are the commands of package recipes, with the flags, signals and exit codes of all commands.
func (a *app) recipeCommands() []*cobra.Command {
	commands := recipes.Commands(&recipes.Environment{
		In: a.in, Out: a.out, Err: a.err, Say: a.say, Notify: a.notify,
		Reach: func(cmd *cobra.Command) func(time.Duration) (*client.Client, error) {
			var o clientOptions
			o.addEndpointFlag(cmd)
			o.addCredentialFlags(cmd)
			return func(attempt time.Duration) (*client.Client, error) {
				to, err := o.access(a.getenv)
				if err != nil {
					return nil, coded(exitUsage, err)
				}
				co := to.options()
				co.AttemptTimeout, co.DialTimeout = attempt, min(attempt, co.DialTimeout)
				c, err := client.New(co)
				if err != nil {
					return nil, coded(exitUsage, err)
				}
				return c, nil
			}
		},
	})
	for _, c := range commands {
		for _, sub := range append(c.Commands(), c) {
			run := sub.RunE
			sub.RunE = func(cmd *cobra.Command, args []string) error { return withCode(run(cmd, args)) }
		}
	}
	return commands
}
