package api

import (
	"fmt"
	"time"
)

// Media types of answers and bodies.
const (
	ContentTypeProblem = "application/problem+json" // errors (RFC 9457).
	ContentTypeJSON    = "application/json"
	ContentTypeEvents  = "text/event-stream" // Server-Sent Events.
	// values that were put without a Content-Type, and batches of frames.
	ContentTypeBinary = "application/octet-stream"
)

// PathFrames is where members post batches of frames to each other. It is not for clients.
const PathFrames = "/peer/v1/frames"

// Header names. Times are hybrid timestamps, MILLISECONDS.COUNTER.
const (
	HeaderNode = "Kvs-Node" // name of the member that answered.
	// name of the member that passed the request on, because it does not serve yet.
	HeaderVia         = "Kvs-Via"
	HeaderConsistency = "Kvs-Consistency" // level the operation was run at.
	HeaderTimestamp   = "Kvs-Timestamp"   // of the version that was read or written.
	// of a request: when its client gives up, in milliseconds since the Unix epoch.
	HeaderDeadline = "Kvs-Deadline"
	// of a PUT: the value's time to live, in seconds or as a duration such as 90m.
	HeaderTTL            = "Kvs-TTL"
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

// Entry is one line of a listing. Directories end in "/" and have only a path and a name.
type Entry struct {
	Path        string  `json:"path"` // from the root.
	Name        string  `json:"name"` // from the listed directory.
	Directory   bool    `json:"directory,omitempty"`
	ETag        string  `json:"etag,omitempty"`
	Timestamp   string  `json:"timestamp,omitempty"`
	ContentType string  `json:"content_type,omitempty"`
	Bytes       *int    `json:"bytes,omitempty"`        // nil for a directory.
	Expires     string  `json:"expires,omitempty"`      // about when the value ends, RFC 3339; empty: never.
	Text        *string `json:"value,omitempty"`        // of a listing with values: the value, if it is UTF-8,
	Base64      []byte  `json:"value_base64,omitempty"` // and otherwise in base64.
}

// Listing is one page of a directory.
type Listing struct {
	Directory string  `json:"directory"`
	Entries   []Entry `json:"entries"`
	More      bool    `json:"more"`
	Next      string  `json:"next,omitempty"` // pass it as ?after= for the next page.
}

// WatchEvent is one event of a watch.
type WatchEvent struct {
	Event       string  `json:"event"`          // put, delete, bookmark, snapshot-begin or snapshot-end.
	Path        string  `json:"path,omitempty"` // of a put or delete.
	ETag        string  `json:"etag,omitempty"` // without quotes. Of a delete: that of its tombstone, if there is one.
	Timestamp   string  `json:"timestamp,omitempty"`
	ContentType string  `json:"content_type,omitempty"`
	Bytes       *int    `json:"bytes,omitempty"` // of the value; nil: it is no put.
	Expires     string  `json:"expires,omitempty"`
	Text        *string `json:"value,omitempty"`        // with ?values=true: the value, if it is UTF-8,
	Base64      []byte  `json:"value_base64,omitempty"` // and otherwise in base64.
	Token       string  `json:"token,omitempty"`        // to go on after this event. Of a stream: the id of the event.
	Reason      string  `json:"reason,omitempty"`       // of the bookmark that ends a stream.
}

// WatchPage is the answer to a long poll.
type WatchPage struct {
	Events []WatchEvent `json:"events"`
	Token  string       `json:"token"` // to pass as ?since= next.
	More   bool         `json:"more"`  // there is more already.
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

	// place in the order of joining, from 1 on, among those that are members.
	Joined int `json:"joined,omitempty"`
	// when its state changed last, as the answering node saw it; of a member that is gone, when it left or was removed.
	Since time.Time `json:"since"`
	Hint  string    `json:"hint,omitempty"` // what to do about it.
}

// Members is the member table as this node knows it.
type Members struct {
	Members []Member `json:"members"`
}

// Keyring lists the keys with which a node seals and opens gossip, without the keys themselves.
type Keyring struct {
	Keys []KeyringKey `json:"keys"`
}

// KeyringKey is one of them.
type KeyringKey struct {
	ID      string `json:"id"`
	Primary bool   `json:"primary,omitempty"` // it seals; all of them open.
}

// KeyringChange asks a node to change its keyring.
type KeyringChange struct {
	Action string `json:"action"`        // install, use or remove.
	Key    string `json:"key,omitempty"` // of install: base64.
	ID     string `json:"id,omitempty"`  // of use and remove.
}

// Tokens are all tokens of a cluster, and the rules for certificates of clients.
type Tokens struct {
	Tokens []Token `json:"tokens"`
}

// Token is one of them. Its secret is not known to the cluster.
type Token struct {
	ID   string `json:"id"`
	Name string `json:"name"` // its owner.
	// these are rules for certificates of the client of this name.
	Certificate bool        `json:"certificate,omitempty"`
	Rules       []TokenRule `json:"rules"`
	Created     time.Time   `json:"created"`
	Expires     *time.Time  `json:"expires,omitempty"` // nil: never.
}

// TokenRule allows or denies rights on a prefix: a path and everything below it.
type TokenRule struct {
	Prefix string   `json:"prefix"` // empty: everything.
	Allow  []string `json:"allow,omitempty"`
	Deny   []string `json:"deny,omitempty"`
}

// WantedToken asks for a token.
type WantedToken struct {
	Name        string      `json:"name"`
	Certificate bool        `json:"certificate,omitempty"`
	Rules       []TokenRule `json:"rules"`
	TTLSeconds  int64       `json:"ttl_seconds,omitempty"` // zero: it does not expire.
}

// NewToken is a token that has just been made: its secret is shown here and never again.
type NewToken struct {
	ID    string `json:"id"`
	Token string `json:"token,omitempty"` // empty for the rules of a certificate.
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
	Path      string `json:"path"`
	Timestamp string `json:"timestamp"` // that the candidates share.
	Winner    string `json:"winner"`    // UUID.
	Rule      string `json:"rule"`      // majority, oldest or linearizable.
	// no vote that may still come can change the winner; else the decision is provisional.
	Settled    bool        `json:"settled"`
	Reason     string      `json:"reason"`
	Voters     int         `json:"voters"` // the members of that time, also those whose votes are not known.
	Seen       time.Time   `json:"seen"`   // wall time of this node when it last learned more of it.
	Candidates []Candidate `json:"candidates"`
	Votes      []Vote      `json:"votes"`
}

// Candidate is a write in a conflict. GET /conflicts/PATH?uuid=UUID has its value.
type Candidate struct {
	UUID        string `json:"uuid"`
	Origin      string `json:"origin"` // name of the member that made it, or its ID if its name is no longer known.
	OriginID    string `json:"origin_id"`
	Deleted     bool   `json:"deleted,omitempty"` // it is a deletion.
	ContentType string `json:"content_type,omitempty"`
	Bytes       int    `json:"bytes"`
}

// Vote is a member's vote for a candidate.
type Vote struct {
	Member   string `json:"member"` // its name, or its ID.
	MemberID string `json:"member_id"`
	UUID     string `json:"uuid"`
}

// Peer is the state of the replication to one member.
type Peer struct {
	ID           string `json:"id"`
	QueueEntries int    `json:"queue_entries"`
	QueueBytes   int    `json:"queue_bytes"`
	Dropped      uint64 `json:"dropped"`
	// AckMillisAgo is the time since the peer last acknowledged something; nil: it never did.
	AckMillisAgo *int64 `json:"ack_millis_ago,omitempty"`
	// EqualMillisAgo is the time since the peer was last seen to hold the same as this node; nil: it never was.
	EqualMillisAgo *int64 `json:"equal_millis_ago,omitempty"`
	// AwayMillis is the time since the peer was found dead: its queue holds hints; nil: it is not dead.
	AwayMillis   *int64 `json:"away_millis,omitempty"`
	HintsFull    uint64 `json:"hints_full"`    // hints dropped because there were too many,
	HintsExpired uint64 `json:"hints_expired"` // and because the peer was away for longer than hint_ttl.
	// ClockOffsetMillis is how far the peer's wall clock is ahead of this node's, give or take ClockErrorMillis; nil:
	// not known.
	ClockOffsetMillis *int64 `json:"clock_offset_millis,omitempty"`
	ClockErrorMillis  *int64 `json:"clock_error_millis,omitempty"`
}

// Bootstrap is the progress of a newcomer. Totals are estimates.
type Bootstrap struct {
	Phase      string `json:"phase"`            // waiting, pulling or comparing.
	Serving    bool   `json:"serving"`          // it serves what it has, because no member could be reached in time.
	Resumed    bool   `json:"resumed"`          // it continues the bootstrap of a former run.
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

// Status is the state of a node as it reports it.
type Status struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	Address       string    `json:"address"`
	Cluster       string    `json:"cluster"`
	Version       string    `json:"version"`
	Mode          string    `json:"mode"`
	Reasons       []string  `json:"reasons"` // why the mode is not normal.
	Ready         bool      `json:"ready"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	Started       time.Time `json:"started"`
	Timestamp     string    `json:"timestamp"` // highest hybrid timestamp issued or seen.
	Alive         int       `json:"members_alive"`
	// zero is well: how much the node doubts its own view of the others.
	LocalHealth int      `json:"local_health"`
	Clash       string   `json:"identity_clash,omitempty"` // another process has this node's identity.
	Retired     string   `json:"retired,omitempty"`        // why this node is no longer a member.
	Warnings    []string `json:"warnings,omitempty"`       // what is wrong around it: seeds, its advertised address.
	// Recorder is the state of the node's flight recorder: recording, paused, too_large or failed; empty: it has none.
	Recorder string `json:"recorder,omitempty"`
	// CertificateExpires is when the node's certificate, or the authority behind it, ends; nil: it has none.
	CertificateExpires *time.Time `json:"certificate_expires,omitempty"`
	Members            []Member   `json:"members"`
	Peers              []Peer     `json:"peers"`
	Bootstrap          *Bootstrap `json:"bootstrap,omitempty"` // nil: none is under way.
	Voters             Voters     `json:"voters"`
	// of all that is durable here: equal on nodes that hold the same data.
	Digest   string            `json:"digest"`
	Keys     int               `json:"keys"` // records, those of deletions included.
	Counters map[string]uint64 `json:"counters"`
}

// Voters is the configuration in force: the members that decide linearizable operations.
type Voters struct {
	Epoch  uint64  `json:"epoch"` // zero: the cluster is not founded yet.
	Voters []Voter `json:"voters"`
	Held   []Voter `json:"held,omitempty"` // members that were demoted: they do not become voters by themselves.
	// this node has everything that the former voters had; false on one that does not vote.
	CaughtUp bool `json:"caught_up"`
	// How often the voters were replaced by hand after a majority was lost: what was acknowledged before may be lost.
	Recoveries int `json:"recoveries,omitempty"`
	// The UUID of the cluster's founding, and of those that it took the place of by recoveries, the first one first:
	// clusters of one name with different foundings exchange nothing.
	Founding string   `json:"founding,omitempty"`
	Former   []string `json:"former_foundings,omitempty"`
	Note     string   `json:"note,omitempty"` // what to do after a change.
}

// Voter is one of them.
type Voter struct {
	ID    string `json:"id"`
	Name  string `json:"name"`  // empty: it is no longer a member.
	State string `json:"state"` // as in Member.
}

// Policy is what the cluster has agreed on about the levels of writes.
type Policy struct {
	Epoch uint64 `json:"epoch"` // of the configuration; zero: the cluster is not founded yet.
	// directories under which every write is linearizable, sorted; "/" is everything.
	StrongPrefixes []string `json:"strong_prefixes"`
	Note           string   `json:"note,omitempty"` // members that did not apply it yet when a change was answered.
}

// WantedPolicy is the body of PUT /policy.
type WantedPolicy struct {
	StrongPrefixes []string `json:"strong_prefixes"`
	// only if the policy is still that of this epoch; zero: whatever it is.
	Epoch uint64 `json:"epoch,omitempty"`
}

// Mode is what a node does for clients, and the mode that its operator asked for.
type Mode struct {
	Mode     string   `json:"mode"`     // normal, read-only, syncing or failed.
	Reasons  []string `json:"reasons"`  // why the mode is not normal.
	Operator string   `json:"operator"` // normal or read-only.
}

// WantedMode is what an operator asks for with PUT /mode.
type WantedMode struct {
	Mode string `json:"mode"` // normal or read-only.
}

// LogLevel is the level of a node's log, below which it makes no lines: debug, info, warn or error.
type LogLevel struct {
	Level string `json:"level"`
}

// Ready is the answer of /readyz when the node serves clients. When it does not, the answer is a Problem that says why.
type Ready struct {
	Ready   bool     `json:"ready"`
	Mode    string   `json:"mode"` // normal or read-only.
	Reasons []string `json:"reasons"`
}

// Live is the answer of /livez.
type Live struct {
	Live     bool      `json:"live"`
	Starting *Starting `json:"starting,omitempty"` // nil: the node has started.
}

// Starting is the progress of a node that starts.
type Starting struct {
	Phase string `json:"phase"` // what it is doing, in words.
	Done  int    `json:"done"`  // of Total.
	Total int    `json:"total"` // 0: not known.
}

// String is what people read: "checking the store, 120 of 3000 tables".
func (s *Starting) String() string {
	if s.Total == 0 {
		return s.Phase
	}
	return fmt.Sprintf("%s, %d of %d tables", s.Phase, s.Done, s.Total)
}
