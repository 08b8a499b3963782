package contract

// Watching says whether clients watch paths at this node, or have not long ago: only then the node keeps a log of
// changes, see node/changelog.
type Watching struct{ On bool }

func (*Watching) input() {}

// Changed is a part of the log of changes that has become durable. Parts come in their order, without a gap; the first
// ones after a start are those that the disk held.
type Changed struct {
	Log    uint64   // which log; another one begins with this part. Zero: there is none any more.
	First  uint64   // position of the first path; positions are counted from 1.
	Paths  []string // that show something else than before, perhaps. A path may occur again. Not written to.
	Oldest uint64   // position from which on the log reaches.
}
