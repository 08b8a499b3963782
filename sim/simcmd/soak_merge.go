package simcmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"kvs/sim/simcmd/progress"
)

// newMergeCommand merges the results of shards.
func (t *Tools) newMergeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "merge FOLDER...",
		Short: "Merge the results of the shards of a soak",
		Long: `merge reads the state files (*.soak.json) that soak --shard left in the folders given, and prints what
they found together: a line for each broken seed, and one for all. Shards of different builds, scenarios or options are
refused, and so are shards that overlap, are missing, or are not finished: what is missing could be what breaks.

Exit codes: 0 no seed was broken, 1 some were, 2 the shards are not one whole soak.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return mergeSoaks(t.IO, args) },
	}
}

func mergeSoaks(io IO, folders []string) error {
	sum, count, err := progress.Merge(folders)
	if err != nil {
		return err
	}
	for _, line := range sum.Lines {
		fmt.Fprintln(io.Out, line)
	}
	verdict := "ok"
	if sum.Broken > 0 {
		verdict = "broken"
	}
	fmt.Fprintf(io.Out, "seeds=%d..%d scenario=%s verdict=%s lived=%d broken=%d operations=%d events=%d faults=%d "+
		"simulated=%.0fs wall=%.1fs shards=%d\n",
		sum.First, sum.Last, sum.Name, verdict, sum.Lived, sum.Broken, sum.Operations, sum.Events, sum.Faults,
		sum.Simulated.Seconds(),
		sum.Wall.Seconds(), count)
	if sum.Broken > 0 {
		return ErrBroken
	}
	return nil
}
