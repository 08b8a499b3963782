package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/client/archive"
	"kvs/node/slot"
)

// exporting is what an export does.
type exporting struct {
	dir    string
	file   string // "-": stdout.
	resume bool
	backup bool // with the state of the cluster.
}

// exported is the report of an export, and the form of -o json.
type exported struct {
	File    string `json:"file"`
	Values  int    `json:"values"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Resumed bool   `json:"resumed"`
}

// NewExport is `kvs export`.
func NewExport(e *Env) *cobra.Command {
	var x exporting
	cmd := &cobra.Command{
		Use:   "export [DIRECTORY] --file FILE|-",
		Short: "Write values to a file",
		Long: `Write all values below a directory, or all there are, to a file: paths, values, content types, ends and
versions, compressed and with checksums. kvs import writes them back, here or elsewhere.

The export is no snapshot: each value is as it was when it was read. It reads what the asked member has
on its disk, page by page; ask a member that is in step (kvs status). An export that was interrupted
goes on with --resume, after the last path that is in the file.`,
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return e.Usage("accepts at most 1 arg(s), received %d; see kvs export --help", len(args))
		}
		return nil
	}
	run := e.exportFlags(cmd, &x)
	cmd.Flags().StringVar(&x.file, "file", "", "the file to write, which must not exist yet; - is stdout")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x.dir = strings.TrimPrefix(strings.Join(args, ""), "/")
		if x.dir != "" && !strings.HasSuffix(x.dir, "/") {
			x.dir += "/"
		}
		if err := slot.CheckDirectory(x.dir); err != nil {
			return e.Usage("%w", err)
		}
		return run(cmd.Context())
	}
	return cmd
}

// exportFlags adds what exports and backups have in common.
func (e *Env) exportFlags(cmd *cobra.Command, x *exporting) (run func(context.Context) error) {
	ask := e.Asker(cmd, false, timeoutDefault)
	format := e.Output(cmd, "text", "json")
	cmd.Flags().BoolVar(&x.resume, "resume", false, "go on with a file that was cut off")
	return func(ctx context.Context) error {
		form, err := format()
		switch {
		case err != nil:
			return err
		case x.file == "":
			return e.Usage("--file is missing: name the file to write")
		case x.file == "-" && (x.resume || form == "json"):
			return e.Usage("stdout is the archive: it has no --resume and no -o json")
		}
		return ask(ctx, func(ctx context.Context, c *client.Client, _ node.Level) error {
			done, err := e.export(ctx, c, x)
			if err != nil || x.file == "-" {
				return err
			}
			if form == "json" {
				return writeJSON(e.Out, done)
			}
			_, err = fmt.Fprintf(e.Out, "%s: %d values, %d bytes\n", done.File, done.Values, done.Bytes)
			return err
		})
	}
}

// export opens the file and fills it.
func (e *Env) export(ctx context.Context, c *client.Client, x *exporting) (*exported, error) {
	head, err := headOf(ctx, c, x)
	if err != nil {
		return nil, err
	}
	count, err := c.Count(ctx, x.dir, true)
	if err != nil {
		return nil, err
	}
	done := &exported{File: x.file, Resumed: x.resume}
	var w *archive.Writer
	var file *os.File
	after := ""
	switch {
	case x.file == "-":
		w, err = archive.NewWriter(e.Out, head)
	case x.resume:
		file, w, after, err = e.reopen(x.file, &head)
		if errors.Is(err, archive.ErrWhole) {
			return nil, e.Usage("%s is whole: there is nothing to resume", x.file)
		}
	default:
		if file, err = os.OpenFile(x.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			if errors.Is(err, fs.ErrExist) {
				return nil, e.Usage("%s exists: choose another name, or --resume if it was cut off", x.file)
			}
			return nil, e.Usage("%w", err)
		}
		w, err = archive.NewWriter(file, head)
	}
	if file != nil {
		defer file.Close()
	}
	if err != nil {
		return nil, err
	}
	if err := e.fill(ctx, c, w, x.dir, after, count.Bytes); err != nil {
		if file != nil && w.Flush() == nil {
			e.Say("%d values are in %s; the same command with --resume goes on", w.Values(), x.file)
		}
		return nil, err
	}
	end, err := w.Close(time.Now())
	if err == nil && file != nil {
		err = file.Sync()
	}
	done.Values, done.Bytes, done.SHA256 = end.Values, end.Bytes, end.SHA256
	return done, err
}

// headOf says what an archive is of.
func headOf(ctx context.Context, c *client.Client, x *exporting) (archive.Head, error) {
	st, err := c.Status(ctx)
	if err != nil {
		return archive.Head{}, err
	}
	head := archive.Head{Cluster: st.Cluster, Founding: st.Voters.Founding, Node: st.Name, Directory: x.dir,
		Begun: time.Now().UTC()}
	if !x.backup {
		return head, nil
	}
	policy, err := c.Policy(ctx)
	if err != nil {
		return head, err
	}
	head.State = &archive.State{StrongPrefixes: policy.StrongPrefixes, Voters: []string{}}
	for _, v := range st.Voters.Voters {
		head.State.Voters = append(head.State.Voters, v.Name)
	}
	tokens, err := c.Tokens(ctx)
	head.State.Tokens = tokens.Tokens
	return head, err
}

// reopen finds the place at which an archive of the same was cut off.
func (e *Env) reopen(name string, head *archive.Head) (*os.File, *archive.Writer, string, error) {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, "", e.Usage("%w", err)
	}
	w, was, after, err := archive.Resume(file)
	switch {
	case err != nil:
		return file, nil, "", fmt.Errorf("%s: %w", name, err)
	case was.Founding != head.Founding || was.Directory != head.Directory || (was.State == nil) != (head.State == nil):
		err = e.Usage("%s is of another cluster or directory, or of another kind: cluster %q, directory %q", name,
			was.Cluster, was.Directory)
	default:
		e.Say("%s: goes on with %d values, after %q", name, w.Values(), after)
	}
	return file, w, after, err
}

// fill reads page after page.
func (e *Env) fill(ctx context.Context, c *client.Client, w *archive.Writer, dir, after string, total int64) error {
	bar := e.newProgress("export", total)
	defer bar.end()
	req := node.ListRequest{Directory: dir, Recursive: true, Values: true, After: after}
	for entry, err := range c.Entries(ctx, req) {
		if err != nil {
			return err
		}
		if entry.Text == nil && entry.Base64 == nil {
			return fmt.Errorf("%q may be listed and not be read with these credentials: the export would lack it",
				entry.Path)
		}
		entry.Name = "" // it depends on the directory.
		if err := w.Add(&entry); err != nil {
			return err
		}
		bar.add(api.ValueBytes(entry.Text, entry.Base64))
	}
	return nil
}

// verified reads a whole archive.
func verified(r io.Reader) (*archive.Reader, error) {
	in, err := archive.NewReader(r)
	if err != nil {
		return nil, err
	}
	for {
		if _, err := in.Next(); errors.Is(err, io.EOF) {
			return in, nil
		} else if err != nil {
			return nil, err
		}
	}
}
