package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"kvs/cmd/version"
	"kvs/sim/simcmd"
)

// newVersionCommand prints the same as `kvs version`: a trace belongs to a commit and a toolchain.
func newVersionCommand(io simcmd.IO) *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use: "version", Short: "Show the version and the commit of this kvsim", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := version.Read()
			switch output {
			case "text":
				_, err := fmt.Fprint(io.Out, b.Line("kvsim"))
				return err
			case "json":
				e := json.NewEncoder(io.Out)
				e.SetIndent("", "  ")
				return e.Encode(b)
			}
			return fmt.Errorf("--output %q: use text or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return cmd
}
