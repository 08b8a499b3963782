package simcmd

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (t *Tools) newReplayCommand() *cobra.Command {
	o := runOptions{Experiment: t.Experiment()}
	cmd := &cobra.Command{
		Use:   "replay FILE|FOLDER",
		Short: "Run the saved scenario of a failure again",
		Long: "replay runs the scenario file that --out kept, with the seed that is written in it. Of a folder it " +
			"takes the one scenario file inside.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := scenarioFile(args[0])
			if err != nil {
				return err
			}
			o.Scenario = path
			return o.run(t.IO, false)
		},
	}
	cmd.Flags().StringVar(&o.trace, "trace", "", "write everything that happens to this file, one line each")
	cmd.Flags().StringVar(&o.page, "report", "", "draw the run as one HTML page in this folder")
	cmd.Flags().BoolVar(&o.quiet, "quiet", false, "print nothing but failures and the last line")
	o.seed = 1
	o.addFlags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.CheckFlags(cmd) }
	o.output.addFlag(cmd)
	return cmd
}

func scenarioFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, err
	}
	found, err := filepath.Glob(filepath.Join(path, "*.scenario"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%s holds %d scenario files: name the one to replay", path, len(found))
	}
	return found[0], nil
}
