package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/profile"
	"kvs/node/host/config"
	"kvs/node/slot"
)

// cluster is what the data commands ask of a running cluster. Errors carry their exit code (exitError).
type cluster interface {
	Get(ctx context.Context, path string, level node.Level) (value, error)
	Put(ctx context.Context, path string, level node.Level, cond client.Condition, ttl time.Duration, body []byte,
		contentType string) (written, error)
	Delete(ctx context.Context, path string, level node.Level, cond client.Condition) (written, error)
	List(ctx context.Context, req node.ListRequest) (page, error)
	Members(ctx context.Context) ([]member, error)
	Join(ctx context.Context, addresses []string) error
	Leave(ctx context.Context, force bool) (member, error)
	Remove(ctx context.Context, id node.ID, force bool) (member, error)
	Mode(ctx context.Context) (api.Mode, error)
	SetMode(ctx context.Context, mode node.Mode) (api.Mode, error)
	Voters(ctx context.Context) (api.Voters, error)
	ChangeVoters(ctx context.Context, id node.ID, promote bool) (api.Voters, error)
	Keyring(ctx context.Context) (api.Keyring, error)
	ChangeKeyring(ctx context.Context, change api.KeyringChange) (api.Keyring, error)
	Tokens(ctx context.Context) (api.Tokens, error)
	CreateToken(ctx context.Context, wanted api.WantedToken) (api.NewToken, error)
	RevokeToken(ctx context.Context, id string) error
	Policy(ctx context.Context) (api.Policy, error)
	SetPolicy(ctx context.Context, wanted api.WantedPolicy) (api.Policy, error)
	Conflicts(ctx context.Context, prefix string, limit int) ([]api.Conflict, error)
	Candidate(ctx context.Context, path, uuid string) (value, error)
}

// value is the result of a get. The JSON forms in this file are those of -o json: fields are added, never renamed.
type value struct {
	Path        string `json:"path"`
	ContentType string `json:"content_type"`
	ETag        string `json:"etag"`
	Consistency string `json:"consistency"` // the level the node really ran it at.
	Node        string `json:"node"`        // that answered.
	Body        []byte `json:"-"`
}

// written is the result of a put or delete.
type written struct {
	Path        string `json:"path"`
	Created     bool   `json:"created"` // a put: nothing was shown under the path before.
	ETag        string `json:"etag,omitempty"`
	Consistency string `json:"consistency"`
	Node        string `json:"node"`
}

// entry is one line of a listing; directories end in a slash and carry nothing else.
type entry struct {
	Path        string `json:"path"`
	Directory   bool   `json:"directory"`
	Bytes       int    `json:"bytes"`
	ContentType string `json:"content_type,omitempty"`
	ETag        string `json:"etag,omitempty"`
}

// page is a part of a listing, perhaps without entries; with More set, the next one is asked for with Next.
type page struct {
	Entries []entry
	More    bool
	Next    string
}

// member is one line of kvs members.
type member struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Address string `json:"address"`
	ID      string `json:"id"`

	Incarnation uint64    `json:"incarnation"`
	Joined      int       `json:"joined,omitempty"` // place in the order of joining; zero: it is no longer a member.
	Since       time.Time `json:"since"`            // when its state changed last.
	Hint        string    `json:"hint,omitempty"`
}

const (
	endpointsVariable = profile.EndpointsVariable
	endpointDefault   = "127.0.0.1:7001"
)

// clientOptions are the flags of every command that asks a cluster.
type clientOptions struct {
	endpoints   []string
	given       profile.Given  // but for its endpoints.
	as          *config.Config // ask with the credentials of this configuration's node; nil: with the user's.
	timeout     time.Duration
	consistency string
}

func (o *clientOptions) addEndpointFlag(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&o.endpoints, "endpoint", "e", nil,
		"host:port of a node; repeat it for more nodes to try (default $"+endpointsVariable+", comma-separated, else "+
			endpointDefault+")")
}

func (o *clientOptions) addFlags(cmd *cobra.Command, withLevel bool) {
	o.addEndpointFlag(cmd)
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Second, "how long the whole command may take")
	o.addCredentialFlags(cmd)
	if withLevel {
		cmd.Flags().StringVarP(&o.consistency, "consistency", "c", "",
			"eventual, quorum or linearizable (default: as the node is configured)")
		_ = cmd.RegisterFlagCompletionFunc("consistency", cobra.FixedCompletions(
			[]string{"eventual", "quorum", "linearizable"}, cobra.ShellCompDirectiveNoFileComp))
	}
}

func (o *clientOptions) level() (node.Level, error) {
	if o.consistency == "" {
		return node.DefaultLevel, nil
	}
	l, err := node.ParseLevel(o.consistency)
	if err != nil {
		return 0, usageError("--consistency: %w", err)
	}
	return l, nil
}

// ask runs do against the chosen cluster, within the time limit and until interrupted.
func (a *app) ask(ctx context.Context, o *clientOptions, do func(context.Context, cluster, node.Level) error) error {
	if err := positive("timeout", o.timeout); err != nil {
		return err
	}
	level, err := o.level()
	if err != nil {
		return err
	}
	to, err := o.access(a.getenv)
	if err != nil {
		return coded(exitUsage, err)
	}
	c, err := a.connect(to)
	if err != nil {
		return coded(exitUsage, err)
	}
	ctx, done := a.interruptible(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return do(ctx, c, level)
}

// checkPath refuses a path that no node would accept, before a request is sent.
func checkPath(path string) error {
	if err := slot.CheckPath(path); err != nil {
		return coded(exitUsage, err)
	}
	return nil
}
