// Package report draws a run: one HTML page with everything in it, for a browser without a network.
//
// The page has a space-time diagram (Lamport: Time, Clocks, and the Ordering of Events in a Distributed System, CACM
// 1978, figure 1): members and clients are lanes, time goes to the right, messages are arrows, faults are bands. Beside
// it stand what broke, the drawn scenario, the command that repeats the run, and porcupine's picture of the offending
// key.
//
// It makes no judgement. Begin with Write; the folder page has the drawing.
package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"kvs/linearize"
	"kvs/sim"
	"kvs/sim/scenario"
)

//go:embed page/page.html
var page string

//go:embed page/page.css
var style string

//go:embed page/page.js
var drawing string

// The places of the parts in the page, in their order.
const (
	styleMarker   = "/*STYLE*/"
	dataMarker    = "/*DATA*/"
	drawingMarker = "/*DRAWING*/"
)

// Run is the content of a page. Scenario, Result, Recording and Replay are required.
type Run struct {
	Scenario  *scenario.Scenario // drawn.
	Result    *sim.Result
	Recording *sim.Recording
	Replay    string // the command that repeats the run.
	Picture   []byte // porcupine's page; empty: there is none.

	// Meaning says in one sentence what is wrong when a promise is broken: see document.Meaning. Nil: it is not said.
	Meaning func(promise string) string

	Other Link // to another page of the same failure. The zero Link: there is none.
}

// Link leads to a page in the same folder.
type Link struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// data is what page.html reads. Times are microseconds since the beginning.
type data struct {
	Title      string      `json:"title"`
	Verdict    string      `json:"verdict"`
	Line       string      `json:"line"`
	Replay     string      `json:"replay"`
	Scenario   string      `json:"scenario"`
	Nodes      int         `json:"nodes"`
	End        int64       `json:"end"`
	Recovered  int64       `json:"recovered"` // when the faults ended.
	Left       int         `json:"left"`
	Kinds      []string    `json:"kinds"`
	Details    []string    `json:"details"`
	Messages   [][8]int64  `json:"messages"` // from, to, sent, arrived, kind, bytes, 1 lost + 2 frame, detail.
	Marks      []mark      `json:"marks"`
	Bands      []band      `json:"bands"`
	Operations []operation `json:"operations"`
	Violations []violation `json:"violations"`
	Picture    string      `json:"picture"`
	Other      Link        `json:"other"`
}

type mark struct {
	At   int64  `json:"at"`
	Node int    `json:"node"`
	Kind int    `json:"kind"`
	Text string `json:"text"`
}

type operation struct {
	Process int    `json:"process"`
	Node    string `json:"node"`
	Kind    string `json:"kind"`
	Path    string `json:"path"`
	Text    string `json:"text"`
	Version string `json:"version"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`
	Status  string `json:"status"`
}

type violation struct {
	At      int64  `json:"at"`
	Node    int    `json:"node"`
	Path    string `json:"path"`
	Promise string `json:"promise"`
	Meaning string `json:"meaning"`
	Text    string `json:"text"`
	Ops     []int  `json:"ops"` // operations to highlight, by index.
}

// Write writes the page.
func Write(w io.Writer, r *Run) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b) // it writes < as \u003c, so that no text can end the script.
	if err := enc.Encode(collect(r)); err != nil {
		return err
	}
	rest := page
	for _, part := range []struct{ marker, text string }{
		{styleMarker, style}, {dataMarker, b.String()}, {drawingMarker, drawing},
	} {
		before, after, ok := strings.Cut(rest, part.marker)
		if !ok {
			return fmt.Errorf("report: the page has no %s", part.marker)
		}
		if _, err := io.WriteString(w, before+part.text); err != nil {
			return err
		}
		rest = after
	}
	_, err := io.WriteString(w, rest)
	return err
}

func collect(r *Run) *data {
	res := r.Result
	d := &data{
		Title: fmt.Sprintf("%s, seed %d", res.Scenario, res.Seed), Verdict: res.Verdict(), Line: res.String(),
		Replay:   r.Replay,
		Scenario: r.Scenario.String(), Nodes: r.Scenario.Nodes,
		End: micros(res.Simulated), Recovered: micros(r.Scenario.Duration),
		Left: r.Recording.Left, Picture: string(r.Picture), Other: r.Other, Kinds: []string{}, Details: []string{},
		Messages: [][8]int64{}, Marks: []mark{}, Bands: bands(r.Scenario.Nodes, r.Recording.Faults, res.Simulated),
		Operations: []operation{}, Violations: []violation{},
	}
	kinds, details := map[string]int64{}, map[string]int64{}
	for i := range r.Recording.Messages {
		m := &r.Recording.Messages[i]
		kind, detail := indexOf(kinds, &d.Kinds, m.Kind), indexOf(details, &d.Details, m.Detail)
		var flags int64
		if m.Lost {
			flags |= 1
		}
		if m.Frame {
			flags |= 2
		}
		d.Messages = append(d.Messages, [8]int64{int64(m.From), int64(m.To), micros(m.Sent), micros(m.Arrived), kind,
			int64(m.Bytes), flags, detail})
	}
	for _, m := range r.Recording.Marks {
		d.Marks = append(d.Marks, mark{micros(m.At), m.Node, int(m.Kind), m.Text})
	}
	for i := range res.History.Ops {
		d.Operations = append(d.Operations, operationOf(&res.History.Ops[i], res.Simulated))
	}
	for _, v := range res.Violations {
		shown := violation{At: micros(v.At), Node: v.Node, Path: v.Path, Promise: v.Promise, Text: v.String(),
			Ops: []int{}}
		if r.Meaning != nil {
			shown.Meaning = r.Meaning(v.Promise)
		}
		if lin := res.Linearized; lin != nil && v.Promise == scenario.Linearizable.String() && lin.Offending >= 0 {
			evidence := &lin.Keys[lin.Offending].Evidence
			shown.Ops = append(shown.Ops, evidence.Ops...)
			shown.Text += ": " + evidence.Text
		}
		d.Violations = append(d.Violations, shown)
	}
	return d
}

// indexOf is the index of a text in a list of different ones; it is added when it is missing.
func indexOf(known map[string]int64, list *[]string, text string) int64 {
	i, ok := known[text]
	if !ok {
		i = int64(len(*list))
		known[text] = i
		*list = append(*list, text)
	}
	return i
}

func micros(d time.Duration) int64 { return d.Microseconds() }

func operationOf(o *linearize.Op, end time.Duration) operation {
	to := min(o.Return, int64(end))
	if o.Status == linearize.Info && o.GaveUp > 0 {
		to = o.GaveUp
	}
	text := o.Kind.String() + " " + o.Path
	if o.Expect != "" {
		text += " if " + o.Expect
	}
	if o.ExpectAbsent {
		text += " if absent"
	}
	if o.Input != "" {
		text += " := " + o.Input
	}
	switch {
	case o.Found:
		text += " -> " + o.Output
	case o.Kind == linearize.Get && o.Status == linearize.OK:
		text += " -> nothing"
	}
	if o.Error != "" {
		text += " (" + o.Error + ")"
	}
	return operation{
		Process: o.Process, Node: o.Node, Kind: o.Kind.String(), Path: o.Path, Text: text,
		Version: o.Version, From: o.Invoke / 1000, To: to / 1000, Status: o.Status.String(),
	}
}
