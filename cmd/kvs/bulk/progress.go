package bulk

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a command is, in bytes of values: a bar with rate and time left on a terminal, and a line for
// each tenth elsewhere.
type progress struct {
	env         *Env
	what        string
	total, done int64
	bar         *progressbar.ProgressBar // nil: lines.
	tenth       int64
}

// newProgress begins at zero. The total is an estimate.
func (e *Env) newProgress(what string, total int64) *progress {
	p := &progress{env: e, what: what, total: total}
	if f, ok := e.Err.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.bar = progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(f),
				progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
				progressbar.OptionUseIECUnits(true), progressbar.OptionShowTotalBytes(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
	}
	return p
}

// add counts bytes. There may be more of them than the total: values are written meanwhile.
func (p *progress) add(bytes int) {
	p.done += int64(bytes)
	if p.bar != nil {
		_ = p.bar.Set64(min(p.done, max(p.total, 1)-1)) // done says when it is done.
		return
	}
	if p.total == 0 {
		return
	}
	if tenth := min(10*p.done/p.total, 10); tenth > p.tenth {
		p.tenth = tenth
		p.env.Say("%s: %d%%, %s", p.what, 10*tenth, mebibytes(p.done))
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
