package simcmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kvs/linearize"
	"kvs/sim"
	drawing "kvs/sim/report"
	"kvs/sim/scenario"
)

// writeReport draws a run as a page in the folder, and returns the file.
func (e *Experiment) writeReport(folder string, drawn *scenario.Scenario, res *sim.Result,
	rec *sim.Recording) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("report: %w; choose another folder with --report", err)
	}
	r := drawing.Run{Scenario: drawn, Result: res, Recording: rec, Replay: e.replayCommand(res.Seed)}
	if res.Linearized != nil {
		var picture bytes.Buffer
		switch err := res.Linearized.WriteHTML(&picture); {
		case err == nil:
			r.Picture = picture.Bytes()
		case !errors.Is(err, linearize.ErrNoPicture):
			return "", err
		}
	}
	path := filepath.Join(folder, fmt.Sprintf("%s-%d.html", filepath.Base(res.Scenario), res.Seed))
	f, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("report: %w; choose another folder with --report", err)
	}
	return path, errors.Join(drawing.Write(f, &r), f.Close())
}
