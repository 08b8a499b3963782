package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"kvs/cmd/version"
)

func newVersion(a *app) *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version and the commit of this kvs",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if err := output.check(); err != nil {
				return err
			}
			b := version.Read()
			if output.is("json") {
				return writeJSON(a.out, b)
			}
			_, err := fmt.Fprint(a.out, b.Line("kvs"))
			return err
		},
	}
	output.addFlag(cmd, "text", "json")
	return cmd
}
