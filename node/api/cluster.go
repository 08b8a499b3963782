package api

// Cluster is what the members say of themselves, as one node has asked them, and what follows from it.
type Cluster struct {
	Node    string          `json:"node"`    // ID of the node that has asked.
	Members []ClusterMember `json:"members"` // by their names; those that left or were removed are left out.
	// all members that answered hold the same data. It is normal that they do not while clients write.
	Equal    bool      `json:"equal"`
	Findings []Finding `json:"findings"`
}

// ClusterMember is a member, and what it says of itself.
type ClusterMember struct {
	Member Member  `json:"member"`           // as the node that has asked knows it.
	Status *Status `json:"status,omitempty"` // nil: it did not answer.
	Error  string  `json:"error,omitempty"`  // why it did not answer.
}

// Finding is the result of one check of a node or a cluster.
type Finding struct {
	Severity string `json:"severity"` // problem, warning or ok.
	Subject  string `json:"subject"`  // the name of a node, or "cluster NAME".
	Check    string `json:"check"`    // what was looked at, in a word or two.
	What     string `json:"what,omitempty"`
	Do       string `json:"do,omitempty"` // what helps.
}
