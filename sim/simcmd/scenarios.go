package simcmd

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kvs/sim/simcmd/document"
)

type scenariosOptions struct {
	tools     *Tools
	namesOnly bool
	show      string
	output
}

func (t *Tools) newScenariosCommand() *cobra.Command {
	o := scenariosOptions{tools: t}
	cmd := &cobra.Command{
		Use:   "scenarios",
		Short: "List the scenarios, or show one",
		Long: "scenarios lists the scenarios of the program, one a line. With --show NAME it prints one whole, as a " +
			"file that --scenario reads: a scenario of your own can begin with it.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run() },
	}
	f := cmd.Flags()
	f.BoolVar(&o.namesOnly, "names", false, "print only the names, one a line")
	f.StringVar(&o.show, "show", "", "print this scenario, by its name or the path of its file")
	t.completeScenarios(cmd, "show")
	o.output.addFlag(cmd)
	return cmd
}

func (o *scenariosOptions) run() error {
	if o.show != "" {
		if o.namesOnly || o.json() {
			return errors.New("--show prints the file of one scenario: leave out --names and --output")
		}
		e := o.tools.Experiment()
		e.Scenario = o.show
		s, err := e.Load()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(o.tools.Out, s.String())
		return err
	}
	list := []document.Scenario{}
	library := o.tools.System().Scenarios
	for _, name := range library.Names() {
		s, err := library.Load(name)
		if err != nil {
			return err
		}
		list = append(list, document.Scenario{Name: name, About: s.About})
	}
	if o.json() {
		return document.Print(o.tools.Out, list)
	}
	table := tabwriter.NewWriter(o.tools.Out, 0, 0, 2, ' ', 0)
	for _, s := range list {
		if o.namesOnly {
			fmt.Fprintln(table, s.Name)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}
