package bulk

import (
	"context"
	"fmt"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// Count prints how many values and directories are below a directory.
func (e *Env) Count(ctx context.Context, c *client.Client, dir string, recursive, asJSON bool) error {
	n, err := c.Count(ctx, dir, recursive)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(e.Out, struct {
			Directory   string `json:"directory"`
			Values      int    `json:"values"`
			Directories int    `json:"directories"`
			Bytes       int64  `json:"bytes"`
		}{n.Directory, n.Values, n.Directories, n.Bytes})
	}
	if recursive {
		_, err = fmt.Fprintf(e.Out, "%d values, %d bytes\n", n.Values, n.Bytes)
	} else {
		_, err = fmt.Fprintf(e.Out, "%d values, %d bytes, %d directories\n", n.Values, n.Bytes, n.Directories)
	}
	return err
}

// DeleteBelow deletes everything below a directory, if it has been confirmed by name. Without that it says how much it
// would delete, and deletes nothing.
func (e *Env) DeleteBelow(ctx context.Context, c *client.Client, level node.Level, dir, confirm string,
	asJSON bool) error {
	name := api.ConfirmDirectory(dir)
	if confirm != name {
		n, err := c.Count(ctx, dir, true)
		if err != nil {
			return err
		}
		return e.Usage("below %s are %d values, %d bytes: to delete all of them, confirm it by the name: "+
			"--confirm %s; nothing was deleted", name, n.Values, n.Bytes, name)
	}
	total, err := c.DeleteBelow(ctx, dir, level, func(d api.Deletion) {
		if d.More {
			e.Say("%d deleted", d.Deleted)
		}
	})
	if err != nil {
		if total.Deleted > 0 {
			e.Say("%d values were deleted; run it again to go on", total.Deleted)
		}
		return err
	}
	if asJSON {
		err = writeJSON(e.Out, struct {
			Directory string            `json:"directory"`
			Deleted   int               `json:"deleted"`
			Failed    []api.BatchResult `json:"failed"`
		}{dir, total.Deleted, append([]api.BatchResult{}, total.Failed...)})
	} else {
		for i := range total.Failed {
			e.Say("%s", resultLine(&total.Failed[i]))
		}
		_, err = fmt.Fprintf(e.Out, "deleted %d values below %s\n", total.Deleted, name)
	}
	if err == nil && len(total.Failed) > 0 {
		return e.Failed(false, fmt.Errorf("%d values may not be deleted", len(total.Failed)))
	}
	return err
}

// Values prints a listing with its values: as JSON, one document for each value a line, as they come.
func (e *Env) Values(ctx context.Context, c *client.Client, req node.ListRequest, limit int) error {
	req.Values = true
	left := limit
	for entry, err := range c.Entries(ctx, req) {
		if err != nil {
			return err
		}
		line, err := entryLine(&entry)
		if err != nil {
			return err
		}
		if _, err := e.Out.Write(line); err != nil {
			return err
		}
		if left--; limit > 0 && left == 0 {
			return nil
		}
	}
	return nil
}
