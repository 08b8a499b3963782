package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kvs/scenarios"
)

func newScenariosCommand(io stdio) *cobra.Command {
	var namesOnly bool
	cmd := &cobra.Command{
		Use:   "scenarios",
		Short: "List the scenarios",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return listScenarios(io, namesOnly) },
	}
	cmd.Flags().BoolVar(&namesOnly, "names", false, "print only the names, one a line")
	return cmd
}

func listScenarios(io stdio, namesOnly bool) error {
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	for _, name := range scenarios.Names() {
		s, err := scenarios.Load(name)
		if err != nil {
			return err
		}
		if namesOnly {
			fmt.Fprintln(table, name)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\n", name, s.About)
	}
	return table.Flush()
}
