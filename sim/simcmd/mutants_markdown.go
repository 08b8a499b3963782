package simcmd

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// sizeFields are what shrink.Size prints.
var sizeFields = regexp.MustCompile(`nodes=(\d+) clients=(\d+) faults=(\d+) operations=(\d+) duration=(\S+) ` +
	`lines=(\d+)`)

// sizeInWords is a size for readers.
func sizeInWords(size string) string {
	return sizeFields.ReplaceAllString(strings.Split(size, " runs=")[0],
		"$1 nodes, $2 clients, $3 faults, $4 operations in $5 ($6 lines)")
}

// printHunt prints the tables of a README (kvs has sim/mutants/README.md), so that one command makes them anew: the
// mutants that were caught, and why others were not.
func printHunt(io IO, found []hunted, shrink time.Duration) {
	head, line := "| mutant | caught by | scenario | seed | runs | CPU s |", "|---|---|---|---|---|---|"
	if shrink > 0 {
		head += fmt.Sprintf(" the failure, drawn | made smaller in %d s |", shrink/time.Second)
		line += "---|---|"
	}
	fmt.Fprintf(io.Out, "%s\n%s\n", head, line)
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b hunted) int { return strings.Compare(a.mutant.Name, b.mutant.Name) })
	var rest []string
	for i := range found {
		h := &found[i]
		if h.caught == "" || h.err != nil {
			rest = append(rest, fmt.Sprintf("- `%s`: %s", h.mutant.Name, h.because()))
			continue
		}
		seed, drawn, small := "-", "-", "-"
		if h.seed > 0 {
			seed = fmt.Sprint(h.seed)
		}
		fmt.Fprintf(io.Out, "| %s | %s | %s | %s | %d | %.2f |", h.mutant.Name,
			strings.ReplaceAll(h.caught, ",", ", "), h.scenario, seed, h.runs, h.cpu.Seconds())
		if shrink > 0 {
			if h.small != "" {
				drawn, small = sizeInWords(h.drawn), sizeInWords(h.small)
			}
			fmt.Fprintf(io.Out, " %s | %s |", drawn, small)
		}
		fmt.Fprintln(io.Out)
	}
	if len(rest) > 0 {
		fmt.Fprintf(io.Out, "\n## Not caught, and why\n\n%s\n", strings.Join(rest, "\n"))
	}
	fmt.Fprintln(io.Out)
}

// because is why a mutant was not caught.
func (h *hunted) because() string {
	switch {
	case h.err != nil:
		return h.err.Error()
	case h.mutant.Survives != "":
		return h.mutant.Survives + "."
	}
	return fmt.Sprintf("NOTHING found it in %d runs.", h.runs)
}
