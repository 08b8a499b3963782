package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"kvs/node/daemon"
)

// board shows the progress of newcomers while a command waits for them: on a terminal one line with a bar that is
// redrawn, elsewhere a line for each tenth.
type board struct {
	app      *app
	terminal bool
	rows     []boardRow // in the order of their first appearance.
}

type boardRow struct {
	name  string
	last  daemon.Bootstrap
	tenth int // reported last; -1: none.
}

// newBoard draws bars only where the commentary goes to a terminal.
func newBoard(a *app) *board {
	f, ok := a.err.(*os.File)
	if !ok {
		return &board{app: a}
	}
	info, err := f.Stat()
	return &board{app: a, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// show takes in a node's progress. It is safe for concurrent use.
func (b *board) show(inst daemon.Instance, p daemon.Bootstrap) {
	b.app.mu.Lock()
	defer b.app.mu.Unlock()
	i := slices.IndexFunc(b.rows, func(r boardRow) bool { return r.name == inst.Name })
	if i < 0 {
		i = len(b.rows)
		b.rows = append(b.rows, boardRow{name: inst.Name, tenth: -1})
	}
	row := &b.rows[i]
	if row.tenth >= 0 && row.last == p {
		return
	}
	row.last = p
	tenth := int(share(p)) / 10
	switch {
	case b.terminal:
		cells := make([]string, len(b.rows))
		for i := range b.rows {
			cells[i] = b.rows[i].name + " " + bar(b.rows[i].last) + " " + progressText(b.rows[i].last)
		}
		b.app.drawn = true
		fmt.Fprintf(b.app.err, "\r\x1b[K%s", strings.Join(cells, "   "))
	case tenth != row.tenth:
		fmt.Fprintf(b.app.err, "%s: syncing: %s\n", row.name, progressText(p))
	}
	row.tenth = tenth
}

// done takes the bar away.
func (b *board) done() {
	b.app.mu.Lock()
	defer b.app.mu.Unlock()
	b.app.wipeBar()
}

const barCells = 20

func bar(p daemon.Bootstrap) string {
	full := int(share(p)) * barCells / 100
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", barCells-full) + "]"
}

// share is the part done, in hundredths. It is an estimate, and so 99 until all is done.
func share(p daemon.Bootstrap) uint64 {
	if p.BytesTotal == 0 {
		return 0
	}
	return min(p.BytesDone*100/p.BytesTotal, 99)
}

// progressText is "42%, 1.2 MiB of 2.9 MiB, 3.1 MiB/s, 12s left".
func progressText(p daemon.Bootstrap) string {
	if p.BytesTotal == 0 {
		return p.Phase
	}
	return fmt.Sprintf("%d%%, %s of %s%s", share(p), mebibytes(p.BytesDone), mebibytes(p.BytesTotal), pace(p))
}

// shortProgress is "42%, 3.1 MiB/s, 12s left".
func shortProgress(p daemon.Bootstrap) string {
	if p.BytesTotal == 0 {
		return "(" + p.Phase + ")"
	}
	return fmt.Sprintf("%d%%%s", share(p), pace(p))
}

func pace(p daemon.Bootstrap) string {
	text := ""
	if p.Rate > 0 {
		text += ", " + mebibytes(p.Rate) + "/s"
	}
	if p.ETASeconds != nil {
		text += ", " + shortDuration(time.Duration(*p.ETASeconds)*time.Second) + " left"
	}
	return text
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
