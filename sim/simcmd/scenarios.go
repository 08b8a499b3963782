package simcmd

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func (t *Tools) newScenariosCommand() *cobra.Command {
	var namesOnly bool
	cmd := &cobra.Command{
		Use:   "scenarios",
		Short: "List the scenarios",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return t.listScenarios(namesOnly) },
	}
	cmd.Flags().BoolVar(&namesOnly, "names", false, "print only the names, one a line")
	return cmd
}

func (t *Tools) listScenarios(namesOnly bool) error {
	table := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', 0)
	library := t.System().Scenarios
	for _, name := range library.Names() {
		s, err := library.Load(name)
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
