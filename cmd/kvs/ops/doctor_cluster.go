package ops

import (
	"context"
	"time"

	"kvs/node/api"
	"kvs/node/diagnosis"
	"kvs/node/host/config"
)

// askPatience bounds how long a member may take for its status.
const askPatience = 3 * time.Second

// views are a cluster as its members see it.
type views struct {
	diagnosis.Views
	cfg *config.Config // of a node of this machine, whose credentials are used.
}

// askMembers completes the views with those of the other members.
func (e *Env) askMembers(ctx context.Context, v *views) {
	v.Silent = map[string]string{}
	for _, m := range v.Members() {
		if v.By[m.ID] != nil {
			continue
		}
		st, err := e.statusOf(ctx, v.cfg, m.Address)
		if err != nil {
			v.Silent[m.ID] = err.Error()
			continue
		}
		if st.ID == m.ID {
			v.By[m.ID] = st
		}
	}
}

// statusOf asks another member for its status.
func (e *Env) statusOf(ctx context.Context, cfg *config.Config, address string) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	c, err := e.Dial(cfg, address, true, patience)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	st, err := c.Status(ctx)
	return &st, err
}
