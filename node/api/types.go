package api

import "time"

// Media types of answers and bodies.
const (
	ContentTypeProblem = "application/problem+json" // errors (RFC 9457).
	ContentTypeJSON    = "application/json"
	ContentTypeBinary  = "application/octet-stream" // values that were put without a Content-Type, and batches of frames.
)

// PathFrames is where members post batches of frames to each other. It is not for clients.
const PathFrames = "/peer/v1/frames"

// Header names. Times are hybrid timestamps, MILLISECONDS.COUNTER.
const (
	HeaderNode           = "Kvs-Node"        // name of the member that answered.
	HeaderVia            = "Kvs-Via"         // name of the member that passed the request on, because it does not serve yet.
	HeaderConsistency    = "Kvs-Consistency" // level the operation was run at.
	HeaderTimestamp      = "Kvs-Timestamp"   // of the version that was read or written.
	HeaderTTL            = "Kvs-TTL"         // of a PUT: how long the value lives, in seconds or as a duration such as 90m.
	HeaderExpires        = "Kvs-Expires"     // when the value ends, about, RFC 3339.
	HeaderIdempotencyKey = "Idempotency-Key" // of a write: it is not applied twice under one key.
)

// Outcomes of a write that failed.
const (
	NotApplied = "not_applied" // it did not happen and will not.
	Unknown    = "unknown"     // it may have happened, or happen yet.
)

// Problem is an error (RFC 9457).
type Problem struct {
	Type       string `json:"type"` // always "about:blank": Code is the type.
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail,omitempty"` // what was wrong and what to do.
	Code       Code   `json:"code"`
	Retryable  bool   `json:"retryable"`
	Outcome    string `json:"outcome,omitempty"`     // of a write: not_applied or unknown.
	RetryAfter int    `json:"retry_after,omitempty"` // seconds.
	Node       string `json:"node,omitempty"`
}

// Version is what a PUT or DELETE made, for clients that ask with ?return=version.
type Version struct {
	Path      string `json:"path"`
	ETag      string `json:"etag"` // without quotes.
	Timestamp string `json:"timestamp"`
	UUID      string `json:"uuid"`
}

// Entry is one line of a listing. Directories end in "/" and have nothing but a path and a name.
type Entry struct {
	Path        string `json:"path"` // from the root.
	Name        string `json:"name"` // from the listed directory.
	Directory   bool   `json:"directory,omitempty"`
	ETag        string `json:"etag,omitempty"`
	Timestamp   string `json:"timestamp,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Bytes       *int   `json:"bytes,omitempty"` // nil for a directory.
}

// Listing is one page of a directory.
type Listing struct {
	Directory string  `json:"directory"`
	Entries   []Entry `json:"entries"`
	More      bool    `json:"more"`
	Next      string  `json:"next,omitempty"` // pass it as ?after= for the next page.
}

// Member is one line of the member table.
type Member struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Address     string `json:"address"`
	State       string `json:"state"` // alive, suspect, dead, left, removed.
	Incarnation uint64 `json:"incarnation"`
	Born        string `json:"born"` // hybrid timestamp of the identity's beginning.
	Self        bool   `json:"self,omitempty"`

	Joined int       `json:"joined,omitempty"` // place in the order of joining, from 1 on, among those that are members.
	Since  time.Time `json:"since"`            // when its state changed last, as the node that answers saw it; of one that is gone, when it went.
	Hint   string    `json:"hint,omitempty"`   // what to do about it.
}

// Members is the member table as this node knows it.
type Members struct {
	Members []Member `json:"members"`
}

// Join asks a node to contact others.
type Join struct {
	Addresses []string `json:"addresses"`
}

// Conflicts are the last decisions about writes with equal timestamps, newest first.
type Conflicts struct {
	Conflicts []Conflict `json:"conflicts"`
}

// Conflict is how one conflict stands, as the node that answers knows it.
type Conflict struct {
	Path       string      `json:"path"`
	Timestamp  string      `json:"timestamp"` // that the candidates share.
	Winner     string      `json:"winner"`    // UUID.
	Rule       string      `json:"rule"`      // majority, oldest or linearizable.
	Settled    bool        `json:"settled"`   // no vote that may still come can change the winner; else the decision is provisional.
	Reason     string      `json:"reason"`
	Voters     int         `json:"voters"` // the members of that time, also those whose votes are not known.
	Seen       time.Time   `json:"seen"`   // wall time of this node when it last learnt of it.
	Candidates []Candidate `json:"candidates"`
	Votes      []Vote      `json:"votes"`
}

// Candidate is a write in a conflict. GET /conflicts/PATH?uuid=UUID has its value.
type Candidate struct {
	UUID        string `json:"uuid"`
	Origin      string `json:"origin"` // name of the member that made it, or its ID if its name is not known any more.
	OriginID    string `json:"origin_id"`
	Deleted     bool   `json:"deleted,omitempty"` // it is a deletion.
	ContentType string `json:"content_type,omitempty"`
	Bytes       int    `json:"bytes"`
}

// Vote is a member's word for a candidate.
type Vote struct {
	Member   string `json:"member"` // its name, or its ID.
	MemberID string `json:"member_id"`
	UUID     string `json:"uuid"`
}

// Peer is the state of replication towards one member.
type Peer struct {
	ID           string `json:"id"`
	QueueEntries int    `json:"queue_entries"`
	QueueBytes   int    `json:"queue_bytes"`
	Dropped      uint64 `json:"dropped"`
	// AckMillisAgo is the time since the peer last acknowledged something; nil: it never did.
	AckMillisAgo *int64 `json:"ack_millis_ago,omitempty"`
	// EqualMillisAgo is the time since the peer was last seen to hold the same as this node; nil: it never was.
	EqualMillisAgo *int64 `json:"equal_millis_ago,omitempty"`
	// AwayMillis is the time since the peer was found dead: what is queued for it are hints; nil: it is not dead.
	AwayMillis   *int64 `json:"away_millis,omitempty"`
	HintsFull    uint64 `json:"hints_full"`    // hints dropped because there were too many,
	HintsExpired uint64 `json:"hints_expired"` // and because the peer was away for longer than hint_ttl.
	// ClockOffsetMillis is how far the peer's wall clock is ahead of this node's, give or take ClockErrorMillis; nil: not known.
	ClockOffsetMillis *int64 `json:"clock_offset_millis,omitempty"`
	ClockErrorMillis  *int64 `json:"clock_error_millis,omitempty"`
}

// Bootstrap is how far a newcomer has come. Totals are estimates.
type Bootstrap struct {
	Phase      string `json:"phase"`            // waiting, pulling or comparing.
	Serving    bool   `json:"serving"`          // it serves what it has, because nobody could be reached in time.
	Resumed    bool   `json:"resumed"`          // it goes on where a former run stopped.
	Server     string `json:"server,omitempty"` // ID of the member that it pulls from.
	KeysDone   uint64 `json:"keys_done"`
	KeysTotal  uint64 `json:"keys_total"`
	BytesDone  uint64 `json:"bytes_done"`
	BytesTotal uint64 `json:"bytes_total"`
	Band       int    `json:"band"`  // of the bands of timestamps from the newest on, beginning with 0.
	Bands      int    `json:"bands"` // 0: not known yet.
	Rate       uint64 `json:"rate_bytes"`
	ETASeconds *int64 `json:"eta_seconds,omitempty"` // nil: not known.
}

// Status is what a node knows about itself.
type Status struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Address       string            `json:"address"`
	Cluster       string            `json:"cluster"`
	Version       string            `json:"version"`
	Mode          string            `json:"mode"`
	Reasons       []string          `json:"reasons"` // why the mode is not normal.
	Ready         bool              `json:"ready"`
	UptimeSeconds int64             `json:"uptime_seconds"`
	Started       time.Time         `json:"started"`
	Timestamp     string            `json:"timestamp"` // highest hybrid timestamp issued or seen.
	Alive         int               `json:"members_alive"`
	LocalHealth   int               `json:"local_health"`             // zero is well: how much the node doubts its own view of the others.
	Clash         string            `json:"identity_clash,omitempty"` // another process has this node's identity.
	Members       []Member          `json:"members"`
	Peers         []Peer            `json:"peers"`
	Bootstrap     *Bootstrap        `json:"bootstrap,omitempty"` // nil: none is under way.
	Voters        Voters            `json:"voters"`
	Digest        string            `json:"digest"` // of all that is durable here: nodes that hold the same have the same.
	Keys          int               `json:"keys"`   // records, those of deletions included.
	Counters      map[string]uint64 `json:"counters"`
}

// Voters is the configuration in force: who decides on linearizable operations.
type Voters struct {
	Epoch    uint64  `json:"epoch"` // zero: the cluster is not founded yet.
	Voters   []Voter `json:"voters"`
	Held     []Voter `json:"held,omitempty"` // members that were demoted: they do not become voters by themselves.
	CaughtUp bool    `json:"caught_up"`      // this node has everything that the former voters had; false on one that does not vote.
	// How often the voters were replaced by hand after a majority was lost: what was acknowledged before may be lost.
	Recoveries int `json:"recoveries,omitempty"`
	// The UUID of the cluster's founding, and of those that it took the place of by recoveries, the first one first: clusters of one name with
	// different foundings exchange nothing.
	Founding string   `json:"founding,omitempty"`
	Former   []string `json:"former_foundings,omitempty"`
	Note     string   `json:"note,omitempty"` // what to heed after a change.
}

// Voter is one of them.
type Voter struct {
	ID    string `json:"id"`
	Name  string `json:"name"`  // empty: it is no member any more.
	State string `json:"state"` // as in Member.
}

// Policy is what the cluster has agreed on about the levels of writes.
type Policy struct {
	Epoch          uint64   `json:"epoch"`           // of the configuration; zero: the cluster is not founded yet.
	StrongPrefixes []string `json:"strong_prefixes"` // directories under which every write is linearizable, sorted; "/" is everything.
	Note           string   `json:"note,omitempty"`  // which members did not go by it yet when a change was answered.
}

// WantedPolicy is what somebody asks for with PUT /policy.
type WantedPolicy struct {
	StrongPrefixes []string `json:"strong_prefixes"`
	Epoch          uint64   `json:"epoch,omitempty"` // only if the policy is still that of this epoch; zero: whatever it is.
}

// Mode is how a node stands towards clients, and what its operator asked for.
type Mode struct {
	Mode     string   `json:"mode"`     // normal, read-only, syncing or failed.
	Reasons  []string `json:"reasons"`  // why the mode is not normal.
	Operator string   `json:"operator"` // normal or read-only.
}

// WantedMode is what an operator asks for with PUT /mode.
type WantedMode struct {
	Mode string `json:"mode"` // normal or read-only.
}

// Ready is the answer of /readyz when the node serves clients. When it does not, the answer is a Problem that says why.
type Ready struct {
	Ready   bool     `json:"ready"`
	Mode    string   `json:"mode"` // normal or read-only.
	Reasons []string `json:"reasons"`
}

// Live is the answer of /livez.
type Live struct {
	Live bool `json:"live"`
}
