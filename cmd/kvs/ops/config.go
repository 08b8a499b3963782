package ops

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/host/config"
)

func newConfig(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check configurations, and show what is in force and where it comes from",
		Args:  args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(env), newConfigShow(env))
	return cmd
}

func newConfigCheck(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "check CONFIG...",
		Short: "Say what is wrong with configurations, without starting anything",
		Long: `Read configurations as a node would, with the environment of this command, and print all that is wrong
with each: the line, the key, and what to do. Variables of the environment that were probably meant to set a
key, and set none, are named as well.

Exit codes: 0 all are right, 2 at least one is not.`,
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: env.Complete,
		RunE:              func(_ *cobra.Command, args []string) error { return env.checkConfigs(args) },
	}
}

func (e *Env) checkConfigs(args []string) error {
	wrong := false
	for _, arg := range args {
		file, err := e.configOf(arg)
		if err == nil {
			_, err = config.Read(file)
		}
		if err != nil {
			wrong = true
			fmt.Fprintln(e.Out, err)
			continue
		}
		fmt.Fprintf(e.Out, "%s: ok\n", file)
	}
	misspelled := config.MisspelledVariables(e.Environ())
	for _, name := range slices.Sorted(maps.Keys(misspelled)) {
		wrong = true
		fmt.Fprintf(e.Out, "environment: %s sets no key; did you mean %s?\n", name, misspelled[name])
	}
	if wrong {
		return exit.With(exit.Usage, nil)
	}
	return nil
}

// configOf is the file that an argument names, which has to exist.
func (e *Env) configOf(arg string) (string, error) {
	inst, exists, err := e.Resolve(arg)
	switch {
	case err != nil:
		return "", exit.With(exit.Usage, err)
	case !exists:
		return "", exit.BadUsage("%s: there is no such configuration; kvs init writes one", arg)
	}
	return inst.Config, nil
}

type showOptions struct {
	output outputFlag
	all    bool
}

func newConfigShow(env *Env) *cobra.Command {
	var o showOptions
	cmd := &cobra.Command{
		Use:   "show CONFIG",
		Short: "Show the settings that are in force, and where each comes from",
		Long: `Show the settings of a configuration as a node would read it, with the environment of this command: those
that are not the default, or with --all every one. A setting comes from a line of the file, from a variable such as
KVS_LOG_LEVEL, from other settings (derived), or it is the default. -o yaml prints a whole file with these settings.`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: env.Complete,
		RunE:              func(_ *cobra.Command, args []string) error { return env.showConfig(args[0], &o) },
	}
	o.output.add(cmd, "table", "json", "yaml")
	cmd.Flags().BoolVar(&o.all, "all", false, "show settings that have their default, too")
	return cmd
}

func (e *Env) showConfig(arg string, o *showOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	file, err := e.configOf(arg)
	if err != nil {
		return err
	}
	if o.output.format == "yaml" {
		c, err := config.Read(file)
		if err != nil {
			return exit.With(exit.Usage, err)
		}
		_, err = e.Out.Write(config.Render(*c))
		return err
	}
	settings, err := config.Settings(file)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	if !o.all {
		settings = slices.DeleteFunc(settings, func(s config.Setting) bool { return s.Source == config.SourceDefault })
	}
	if o.output.format == "json" {
		return printJSON(e.Out, settings)
	}
	t := tabwriter.NewWriter(e.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tVALUE\tSOURCE")
	for _, s := range settings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Key, s.Value, s.Source)
	}
	return t.Flush()
}
