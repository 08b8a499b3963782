package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// outputFormat is the flag -o.
type outputFormat struct {
	value   string
	choices []string // the first one is the default.
}

func (o *outputFormat) addFlag(cmd *cobra.Command, choices ...string) {
	o.choices = choices
	cmd.Flags().StringVarP(&o.value, "output", "o", choices[0], "output format: "+strings.Join(choices, " or "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
}

func (o *outputFormat) check() error {
	if !slices.Contains(o.choices, o.value) {
		return usageError("--output %q: want %s", o.value, strings.Join(o.choices, " or "))
	}
	return nil
}

func (o *outputFormat) is(format string) bool { return o.value == format }
