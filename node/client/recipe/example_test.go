package recipe_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"kvs/node/client"
	"kvs/node/client/clienttest"
	"kvs/node/client/recipe"
)

// connect returns a client of the cluster of the examples, once it takes linearizable operations.
func connect(ctx context.Context) *client.Client {
	o := client.DefaultOptions(clienttest.Endpoint())
	o.AttemptTimeout = recipe.DefaultOptions().TTL / 4
	c, err := client.New(o)
	if err != nil {
		log.Fatal(err)
	}
	for err = errors.New("not asked yet"); err != nil && ctx.Err() == nil; {
		_, err = c.PutIf(ctx, "ready", client.Condition{}.WithKey("ready"), nil, "")
	}
	return c
}

func ExampleAcquire() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	o := recipe.DefaultOptions()
	o.Holder = "worker 1"
	l, err := recipe.Acquire(ctx, c, "jobs/nightly", o)
	if err != nil {
		fmt.Println(err)
		return
	}
	work(l.Context(), l.Token()) // the context ends when the lock is lost.

	o.Holder = "worker 2"
	_, err = recipe.TryAcquire(ctx, c, "jobs/nightly", o)
	fmt.Println(err)
	fmt.Println(l.Release(ctx))
	next, err := recipe.TryAcquire(ctx, c, "jobs/nightly", o)
	fmt.Println(next.Token() > l.Token(), err)
	fmt.Println(next.Release(ctx))
	// Output:
	// jobs/nightly is held by "worker 1"
	// <nil>
	// true <nil>
	// <nil>
}

// work sends the token with everything that it writes.
func work(context.Context, recipe.Token) {}

func ExampleHold() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	const path, media = "services/printer/1", "text/plain"
	l, err := recipe.Hold(ctx, c, path, recipe.DefaultOptions(), []byte("10.0.0.1:631"), media)
	fmt.Println(err)
	_, err = recipe.Hold(ctx, c, path, recipe.DefaultOptions(), []byte("10.0.0.2:631"), media)
	var held *recipe.HeldError
	fmt.Println(errors.As(err, &held))
	fmt.Println(l.Release(ctx))
	// Output:
	// <nil>
	// true
	// <nil>
}

func ExampleElection() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	o := recipe.DefaultOptions()
	o.Holder = "10.0.0.1:8080"
	e, err := recipe.NewElection(c, "services/api", o)
	if err != nil {
		fmt.Println(err)
		return
	}
	lead, err := e.Campaign(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for leader, err := range e.Observe(ctx) {
		fmt.Println(leader.Holder, leader.Token == lead.Token(), err)
		break
	}
	fmt.Println(lead.Release(ctx))
	// Output:
	// 10.0.0.1:8080 true <nil>
	// <nil>
}

func ExampleCounter() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	visits := recipe.NewCounter(c, "visits")
	fmt.Println(visits.Add(ctx, 3))
	fmt.Println(visits.Add(ctx, 4))
	fmt.Println(visits.Get(ctx))
	// Output:
	// 3 <nil>
	// 7 <nil>
	// 7 <nil>
}
