package live

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"kvs/node/client"
	"kvs/scenarios"
)

// runner is a run of kvs: it is judged by all that its clients can see.
type runner struct {
	*run
	clients  []*client.Client   // by node, [0] unused.
	records  map[string]*record // by path.
	values   values
	keyed    keyedWrites
	operator *operator
}

// runKVS runs a scenario on kvs.
func runKVS(ctx context.Context, common *run) (*Result, error) {
	o := &common.o
	r := &runner{run: common, clients: []*client.Client{nil}, records: map[string]*record{}, values: newValues()}
	r.system = r
	header := r.header(r.promises())
	for _, e := range o.Target.Endpoints() {
		options := client.DefaultOptions(e)
		options.TLS, options.Token = o.TLS, o.Token
		options.AttemptsMax, options.AttemptTimeout = 1, r.own.Workload.Timeout
		c, err := client.New(options)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		r.clients = append(r.clients, c)
	}
	if o.Prefix != "" { // members that ran before this run: one that does not answer now is not starting.
		if err := r.answer(ctx); err != nil {
			return nil, err
		}
	}
	o.Progress("waiting for the members to find each other")
	if _, err := r.await(ctx, startPatience, nil); err != nil {
		return nil, fmt.Errorf("the cluster did not come together: %w; look into the nodes' logs", err)
	}
	if err := r.agreeOnPolicy(ctx); err != nil {
		return nil, err
	}
	version, err := r.identify(ctx)
	if err != nil {
		return nil, err
	}
	if header.Commit == "" {
		header.Commit = version
	}
	r.record(header)
	r.operator = &operator{runner: r, rng: rand.New(rand.NewPCG(o.Seed, streamOperator)),
		ids: make([]string, len(r.clients))}
	r.operator.look(ctx)
	working, dismiss := context.WithCancel(ctx)
	var operating sync.WaitGroup
	operating.Go(func() { r.operator.operate(working) })
	defer operating.Wait()
	defer dismiss()
	defer r.tidy(ctx)
	err = r.safety(ctx)
	r.result.History = r.recorder.Finish()
	if err == nil {
		err = r.judge(ctx)
	}
	if err != nil {
		r.result.Void = err.Error()
	}
	return r.result, err
}

func (r *runner) client(number int) func(ctx context.Context, op scenarios.Op) {
	w := worker{
		runner: r, process: r.recorder.NewProcess(), known: map[string]seen{},
		number: number, rng: rand.New(rand.NewPCG(r.o.Seed, streamRetries+uint64(number))),
	}
	return w.operate
}

func (r *runner) wiped(nodes []int) { r.operator.wiped(nodes) }

func (r *runner) calm() { r.operator.calm.Store(true) }

// identify checks that the endpoints are those of different members, and returns the version of the first.
func (r *runner) identify(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	numbers := map[string]int{}
	for n := len(r.clients) - 1; n >= 1; n-- {
		st, err := r.clients[n].Status(ctx)
		for err != nil && pause(ctx, lookEvery) == nil { // the time-out of a scenario may be short.
			st, err = r.clients[n].Status(ctx)
		}
		if err != nil {
			return "", err
		}
		if other := numbers[st.ID]; other != 0 {
			return "", fmt.Errorf("the endpoints of n%d and n%d are the same member; name each member once", n, other)
		}
		numbers[st.ID], version = n, st.Version
	}
	return version, nil
}

// tidyPatience is how long the deletion of what a run has written may take.
const tidyPatience = 20 * time.Second

// tidy deletes the run's data in a cluster with other data, also when the run was interrupted.
func (r *runner) tidy(ctx context.Context) {
	if r.o.Prefix == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyPatience)
	defer cancel()
	var paths []string
	for p := range r.records {
		paths = append(paths, p)
	}
	for n := 1; n < len(r.clients); n++ {
		paths = append(paths, r.probePath(n))
	}
	for _, p := range paths {
		if _, err := r.clients[1].Delete(ctx, p, r.own.Workload.PathLevel(strings.TrimPrefix(p, r.o.Prefix))); err !=
			nil {
			r.o.Progress(fmt.Sprintf("what was written below %s could not be deleted: %v; delete it by hand",
				r.o.Prefix, err))
			return
		}
	}
	r.o.Progress("deleted what was written below " + r.o.Prefix)
}
