package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitBroken = 1 // a promise did not hold.
	exitUsage  = 2 // the command could not do what it was asked.
)

// errBroken is returned by commands that have already said which promise did not hold.
var errBroken = errors.New("a promise did not hold")

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// execute runs a command line and returns the exit code.
func execute(args []string, io stdio) int {
	root := newRoot(io)
	root.SetArgs(args)
	err := root.Execute()
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errBroken):
		return exitBroken
	}
	fmt.Fprintln(io.err, "kvsim:", err)
	return exitUsage
}

func newRoot(io stdio) *cobra.Command {
	root := &cobra.Command{
		Use:           "kvsim",
		Short:         "Simulated lifetimes of a kvs cluster",
		Long:          "kvsim runs the real node code in a virtual world that one seed draws: network, clocks, disks, faults and clients.\n\nExit codes: 0 all promises held, 1 some did not, 2 the command could not do what it was asked.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.AddCommand(newRunCommand(io), newSoakCommand(io), newExploreCommand(io), newGuideCommand(io), newReplayCommand(io), newShrinkCommand(io), newCheckCommand(io), newServiceCommand(io), newScenariosCommand(io),
		newLiveCommand(io), newCompareCommand(io), newMutantsCommand(io), newWorkerCommand(io), newCandidatesCommand(io))
	return root
}
