package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"testing"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/clienttest"
)

func TestMain(m *testing.M) { os.Exit(clienttest.Main(m.Run)) }

// connect returns a client of the cluster of the examples, once it takes linearizable operations.
func connect(ctx context.Context) *client.Client {
	c, err := client.New(client.DefaultOptions(clienttest.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	for err = errors.New("not asked yet"); err != nil && ctx.Err() == nil; {
		_, err = c.PutIf(ctx, "ready", client.Condition{}.WithKey("ready"), nil, "")
	}
	return c
}

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx) // client.New(client.DefaultOptions("10.0.0.1:7001", "10.0.0.2:7001", "10.0.0.3:7001"))
	defer c.Close()

	if _, err := c.Put(ctx, "users/ann/mail", node.Quorum, []byte("ann@example.org"), "text/plain"); err != nil {
		fmt.Println(err) // says whether something was written.
		return
	}
	v, err := c.Get(ctx, "users/ann/mail", node.Quorum)
	fmt.Println(string(v.Body), v.ContentType, err)
	_, err = c.Get(ctx, "users/bob/mail", node.Quorum)
	fmt.Println(client.IsNotFound(err))
	// Output:
	// ann@example.org text/plain <nil>
	// true
}

func ExampleClient_Entries() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	for _, path := range []string{"fruit/apple", "fruit/citrus/lemon", "fruit/citrus/lime"} {
		if _, err := c.Put(ctx, path, node.DefaultLevel, []byte("1"), "text/plain"); err != nil {
			fmt.Println(err)
		}
	}
	for e, err := range c.Entries(ctx, node.ListRequest{Directory: "fruit/"}) {
		fmt.Println(e.Name, err)
	}
	// Output:
	// apple <nil>
	// citrus/ <nil>
}

// Of two programs that create the same path one is told that the other was first.
func ExampleClient_PutIf() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	made, err := c.PutIf(ctx, "settings", client.IfAbsent(), []byte("v1"), "text/plain")
	fmt.Println(made.Created, err)
	_, err = c.PutIf(ctx, "settings", client.IfAbsent(), []byte("v2"), "text/plain")
	var e *client.Error
	if errors.As(err, &e) && e.Code == api.Precondition {
		fmt.Println("refused:", e.Outcome, e.ETag == made.ETag)
	}
	_, err = c.PutIf(ctx, "settings", client.IfVersion(made.ETag), []byte("v2"), "text/plain")
	fmt.Println(err)
	// Output:
	// true <nil>
	// refused: not_applied true
	// <nil>
}

// A write under a key may be repeated, by this program or by its successor: it is applied once.
func ExampleCondition_WithKey() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	order := client.IfAbsent().WithKey("order 4711")
	first, err := c.PutIf(ctx, "orders/4711", order, []byte("3 apples"), "text/plain")
	fmt.Println(err)
	again, err := c.PutIf(ctx, "orders/4711", order, []byte("3 apples"), "text/plain")
	fmt.Println(again.ETag == first.ETag, err)
	// Output:
	// <nil>
	// true <nil>
}

func ExampleClient_PutFor() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := connect(ctx)
	defer c.Close()
	_, err := c.PutFor(ctx, "presence/host1", node.Quorum, client.Condition{}, 90*time.Minute, []byte("up"),
		"text/plain")
	fmt.Println(err) // the members delete it after 90 minutes, unless it is written again.
	// Output: <nil>
}
