package kvs

// Meanings implements document.Meant.
func (System) Meanings() map[string]string { return meanings }

var meanings = map[string]string{
	"applied-once":      "A linearizable write was applied twice: members named two versions of it.",
	"available":         "A member that could have served a request refused it, or did not answer in time.",
	"bounded":           "A queue of a member grew beyond its bound, or a member worked without an end.",
	"chosen":            "A linearizable write was acknowledged, and too few voters have it on their disks.",
	"clocks-guarded":    "A member whose clock had been wrong for a while acknowledged a write.",
	"compared":          "A comparison found a newer record at the other member, and did not ask for it.",
	"conflict":          "Members decided a conflict of equal timestamps in different ways, or a vote changed.",
	"converged":         "The faults have ended, and the members do not hold the same records.",
	"delivery":          "A member told another one that it has a record, and the record is not on its disk.",
	"ends-known":        "A member dropped a tombstone that some member had not had yet.",
	"expiry":            "A value ended before its time to live was over, or did not end after it.",
	"failures-detected": "A member was down for long, or back for long, and another one did not notice it.",
	"floors":            "A member dropped a tombstone, and later took a message that it has to refuse from then on.",
	"heard":             "A member forgot a death or a vote that it had been told of.",
	"hlc-monotone":      "A node issued a timestamp twice, or one below an earlier one.",
	"index":             "The index by which members compare their records does not agree with the records.",
	"join":              "A member served or pulled before it was allowed to, or lost its place after a restart.",
	"known-values":      "A read returned a value that was never written to its path, or whose write was refused.",
	"listing":           "A listing left out a path that is there, or showed one that is not.",
	"losers-kept":       "A value that lost a conflict could not be fetched while members have to keep it.",
	"membership-agreed": "The faults have ended, and the members do not see the same members alive.",
	"no-lost-write":     "A write was acknowledged, and neither it nor a version that wins over it is left.",
	"no-resurrection":   "A deleted value came back, and no client had written it again.",
	"new-run":           "A run of a member began like a former one, so that what is old could count for new.",
	"outcomes-known":    "Nothing had failed, and a member did not know whether it had applied a write.",
	"older-copy":        "A member on an older copy of its data folder took part, as if it had forgotten nothing.",
	"persist-first":     "A member sent a record, a vote or an epoch before it was on its own disk.",
	"promised":          "A voter promised something that it would not have kept after a crash.",
	"quorum-recency":    "A quorum read showed an older version than a quorum operation that had been answered before.",
	"sealed":            "A secure member took a stranger's datagram, or refused one of a member.",
	"session":           "A member showed an older version of a path than it had shown or acknowledged before.",
	"tombstones-end":    "The faults have ended, and tombstones are left that every member has had.",
}
