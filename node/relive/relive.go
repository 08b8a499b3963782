package relive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"kvs/node"
	"kvs/node/recorder"
)

// Options of Run.
type Options struct {
	// Build is that of this program. A recording of another one is refused.
	Build recorder.Build
	// AnyBuild takes a recording of another commit, whose state has the same types: to find out whether a change of the
	// code changes what is decided.
	AnyBuild bool
	// Seen is called for each step that was run again, in order, for reports; nil: no call. What it gets is lent.
	Seen func(*Seen)
	// Rewrite makes another recording of this one; nil: none is made.
	Rewrite *Rewrite
}

// Seen is one step that was run again.
type Seen struct {
	Head    *recorder.Head // of the segment with which the core was revived.
	Step    *recorder.Step
	Effects *node.Effects
	Member  node.ID
}

// Result is what came of a recording.
type Result struct {
	Head     *recorder.Head // the first.
	Last     node.Time      // of the last step.
	Segments int
	Revived  int    // times at which a core was made of an image: at the beginning, and behind each gap.
	Steps    uint64 // run again with the same effects.
	Effects  uint64 // of these steps.
	Reads    uint64
	Broke    string      // the core panicked in the last step, then as now: with this message. Empty: it did not.
	Differs  *Difference // the first; nil: all effects are the same.
	Torn     error       // why the recording ends; nil: it is whole.
}

// Difference is the first effect that is not what it was.
type Difference struct {
	Step     *recorder.Step
	What     string // in one sentence.
	Shape    string // the same, without anything of a value: see recorder.Mark.Shape.
	Recorded string // the recorded side, and
	Relived  string // this one; either may be empty: there is none.
}

// String describes the difference in several lines.
func (d *Difference) String() string {
	return fmt.Sprintf("step %d, %s: %s\n  recorded: %s\n  relived:  %s", d.Step.Number,
		recorder.Describe(d.Step.Input), d.What, cmp.Or(d.Recorded, "nothing"), cmp.Or(d.Relived, "nothing"))
}

// ErrBuild is wrapped by the error of a recording that another program made.
var ErrBuild = errors.New("the recording is of another build of kvs")

// Run runs a recording again, to its end or to the first difference. Errors: it cannot be used.
func Run(from io.Reader, o Options) (*Result, error) {
	p := &player{o: o, result: &Result{}}
	records := recorder.NewReader(from)
	for p.result.Differs == nil && !p.enough() {
		rec, err := records.Next()
		switch {
		case err == io.EOF:
			return p.end()
		case errors.Is(err, recorder.ErrTorn):
			p.result.Torn = err
			return p.end()
		case err != nil:
			return nil, err
		}
		if err := p.take(rec); err != nil {
			return nil, err
		}
	}
	return p.result, nil
}

// player is the world of a core that is run again.
type player struct {
	o      Options
	result *Result
	head   *recorder.Head // with which the core was revived.
	node   *node.Node     // nil: there is none yet.
	rng    *rand.ChaCha8
	store  played
	next   uint64 // number of the next step.
	eff    node.Effects
	marks  []byte // of the last step; reused.
}

func (p *player) end() (*Result, error) {
	if p.result.Head == nil {
		return nil, fmt.Errorf("%w: it is empty", recorder.ErrFormat)
	}
	return p.result, nil
}

func (p *player) take(rec *recorder.Record) error {
	switch {
	case rec.Head != nil:
		return p.begin(rec.Head)
	case p.node == nil:
		return fmt.Errorf("%w: it begins without a head", recorder.ErrFormat)
	case rec.Step != nil:
		if rec.Step.Number != p.next {
			return fmt.Errorf("%w: step %d follows where step %d is due", recorder.ErrFormat, rec.Step.Number, p.next)
		}
		if p.o.Rewrite != nil {
			return p.rewriteStep(rec.Step)
		}
		p.step(rec.Step)
	default:
		p.node.SetLogLevel(rec.Level)
		if p.o.Rewrite != nil {
			return p.o.Rewrite.Write(recorder.AppendLevel(nil, rec.Level))
		}
	}
	return nil
}

// begin goes on with a segment: with the core that is there if nothing is missing before it, or with another one.
func (p *player) begin(h *recorder.Head) error {
	if err := p.check(h); err != nil {
		return err
	}
	p.result.Segments++
	if p.result.Head == nil {
		p.result.Head, p.result.Last = h, h.Time
	}
	if p.node != nil && p.head.Member == h.Member && p.head.Boots == h.Boots && p.next == h.Step {
		image, err := p.node.Image(nil, 0) // the recorded core forgot what it kept of its store.
		return errors.Join(err, p.rewriteHead(h, image))
	}
	p.rng = new(rand.ChaCha8)
	if err := p.rng.UnmarshalBinary(h.Randomness); err != nil {
		return fmt.Errorf("%w: its randomness: %w", recorder.ErrFormat, err)
	}
	p.store = played{}
	n, err := node.Revive(h.Image, &p.store, rand.New(p.rng))
	if err != nil {
		return fmt.Errorf("%w: %w", recorder.ErrFormat, err)
	}
	p.node, p.head, p.next = n, h, h.Step
	p.result.Revived++
	if p.o.Rewrite != nil {
		return p.reviveRewritten(h)
	}
	return nil
}

// check refuses recordings of other programs.
func (p *player) check(h *recorder.Head) error {
	ours, theirs := p.o.Build, h.Build
	other := theirs.Revision != "" && ours.Revision != "" && theirs.Revision != ours.Revision
	if theirs.Layout == node.ImageLayout() && theirs.Toolchain == ours.Toolchain && (!other || p.o.AnyBuild) {
		return nil
	}
	of := "release " + theirs.Version
	if theirs.Revision != "" {
		of += ", commit " + theirs.Revision
	}
	advice := "build kvsim of that commit"
	if theirs.Toolchain != ours.Toolchain {
		advice += " with " + theirs.Toolchain
	}
	if theirs.Layout == node.ImageLayout() && theirs.Toolchain == ours.Toolchain {
		advice += ", or take --any-build: the state of the core has the same types"
	}
	return fmt.Errorf("%w: it was made by %s (%s), this program is release %s, commit %s (%s): %s", ErrBuild, of,
		theirs.Toolchain, ours.Version, ours.Revision, ours.Toolchain, advice)
}

// step runs one step again and compares it.
func (p *player) step(s *recorder.Step) {
	p.result.Last = s.Time
	p.eff.Reset()
	p.store.begin(s.Reads)
	broke := p.run(s)
	p.next++
	p.result.Reads += uint64(len(s.Reads))
	if p.o.Seen != nil {
		p.o.Seen(&Seen{Head: p.head, Step: s, Effects: &p.eff, Member: p.head.Member})
	}
	if panicked := broke != ""; panicked != s.Broke {
		p.differ(s, "one of the two panicked", panicText(s.Broke, ""), panicText(panicked, broke))
		return
	}
	if why, recorded, relived := p.store.end(); why != "" {
		p.differ(s, why, recorded, relived)
		return
	}
	if broke != "" {
		p.result.Broke = broke
		p.result.Steps++
		return
	}
	p.marks = recorder.AppendMarks(p.marks[:0], &p.eff, recorder.Already{})
	count, same := p.compare(s, p.marks)
	if same {
		p.result.Steps++
		p.result.Effects += count
	}
}

func panicText(panicked bool, why string) string {
	if !panicked {
		return "a step that ended"
	}
	return "a panic: " + why
}

// run steps the core, and returns the message with which it panicked; empty: it did not.
func (p *player) run(s *recorder.Step) (broke string) {
	defer func() {
		if why := recover(); why != nil {
			broke = fmt.Sprint("panic: ", why)
		}
	}()
	p.node.Step(s.Time, s.Input, &p.eff)
	return ""
}

func (p *player) differ(s *recorder.Step, what, recorded, relived string) {
	p.result.Differs = &Difference{Step: s, What: what, Shape: what, Recorded: recorded, Relived: relived}
}

// compare compares the marks of a step.
func (p *player) compare(s *recorder.Step, relived []byte) (count uint64, same bool) {
	theirs, err := recorder.Marks(s.Effects)
	ours, ourErr := recorder.Marks(relived)
	if err != nil || ourErr != nil {
		p.differ(s, "the recorded effects cannot be read", fmt.Sprintf("%x", s.Effects), fmt.Sprintf("%x", relived))
		return 0, false
	}
	for i := range max(len(theirs), len(ours)) {
		var recorded, now recorder.Mark
		if i < len(theirs) {
			recorded = theirs[i]
		}
		if i < len(ours) {
			now = ours[i]
		}
		if !slices.Equal(recorded.Raw, now.Raw) && (p.o.Rewrite == nil || !recorded.SameShape(&now)) {
			what := fmt.Sprintf("effect %d of %d is another one", i+1, len(theirs))
			p.differ(s, what, recorded.Text, p.explain(now, i, ours))
			p.result.Differs.Shape = fmt.Sprintf("%s: %s, then %s", what, recorded.Shape(), now.Shape())
			return 0, false
		}
	}
	return uint64(len(theirs)), true
}

// explain is the text of a mark with all that is known of its effect.
func (p *player) explain(m recorder.Mark, i int, all []recorder.Mark) string {
	nth := 0
	for _, before := range all[:min(i, len(all))] {
		if before.Kind == m.Kind {
			nth++
		}
	}
	whole := recorder.DescribeEffect(&p.eff, m.Kind, nth)
	if whole == "" {
		return m.Text
	}
	return m.Text + "\n            " + strings.ReplaceAll(whole, "\n", "\n            ")
}
