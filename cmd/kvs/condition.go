package main

import (
	"strings"

	"github.com/spf13/cobra"

	"kvs/node/client"
)

// conditionOptions make a write a compare-and-set.
type conditionOptions struct {
	match  []string
	create bool
	key    string

	// a flag with an empty value, as from a script with an empty variable, counts as given.
	given func(flag string) bool
}

func (o *conditionOptions) addFlags(cmd *cobra.Command) {
	o.given = cmd.Flags().Changed
	cmd.Flags().StringSliceVar(&o.match, "if-match", nil,
		"only if the path shows this ETag (see kvs get -o json), or any value with '*'; linearizable")
	cmd.Flags().StringVar(&o.key, "idempotency-key", "", "a name for this write: under the same one it is not "+
		"applied twice, and is tried again when its outcome is unknown; linearizable")
}

func (o *conditionOptions) condition(c *clientOptions) (client.Condition, error) {
	var cond client.Condition
	if o.given("if-match") && strings.Trim(strings.Join(o.match, ""), `" `) == "" {
		return cond, usageError("--if-match is empty: give the ETag, or '*' for any value, or omit it for a " +
			"write without a condition")
	}
	if o.given("idempotency-key") && o.key == "" {
		return cond, usageError("--idempotency-key is empty: give 1 to 255 bytes, or omit it")
	}
	switch {
	case o.create && len(o.match) > 0:
		return cond, usageError("--create and --if-match: which one shall it be?")
	case o.create:
		cond = client.IfAbsent()
	case len(o.match) == 1 && o.match[0] == "*":
		cond = client.IfPresent()
	case len(o.match) > 0:
		tags := make([]string, len(o.match))
		for i, m := range o.match {
			tags[i] = strings.Trim(m, `"`)
		}
		cond = client.IfVersion(tags...)
	case o.key == "":
		return cond, nil
	}
	cond = cond.WithKey(o.key)
	if c.consistency != "" && c.consistency != "linearizable" {
		return cond, usageError("--consistency %s: a write with a condition or an idempotency key is always "+
			"linearizable; omit it", c.consistency)
	}
	return cond, nil
}
