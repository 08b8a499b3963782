package daemon

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// LogVariable tells a node that Start runs into which file its outputs go. The node rotates the file itself when it has
// become large.
const LogVariable = "KVS_DAEMON_LOG"

// openLog opens inst's log for appending, and returns where the new start's lines begin.
func (d *Daemon) openLog(inst Instance) (f *os.File, from int64, err error) {
	path := d.Home.LogPath(inst)
	f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the log: %w; make it writable or set %s to another folder", err, HomeVariable)
	}
	from, err = f.Seek(0, io.SeekEnd)
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("open the log: %w", err)
	}
	return f, from, nil
}

// tailBytesMax bounds how much of a log Tail reads.
const tailBytesMax = 1 << 20

// Tail returns the last lines of the file at path, at most lines, not before offset from, and the offset behind them.
// The text after the last line break is a line too.
func Tail(path string, from int64, lines int) (text []byte, end int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, err
	}
	begin, whole := from, true
	if begin > size { // shorter than before: it has been replaced.
		begin = 0
	}
	if size-begin > tailBytesMax {
		begin, whole = size-tailBytesMax, false
	}
	text = make([]byte, size-begin)
	n, err := f.ReadAt(text, begin)
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	text, end = text[:n], begin+int64(n)
	if !whole { // begin with a whole line.
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return lastLines(text, lines), end, nil
}

// lastLines cuts text down to its last n lines.
func lastLines(text []byte, n int) []byte {
	if n <= 0 {
		return nil
	}
	at := len(text)
	if at > 0 && text[at-1] == '\n' {
		at--
	}
	for ; n > 0; n-- {
		i := bytes.LastIndexByte(text[:at], '\n')
		if i < 0 {
			return text
		}
		at = i
	}
	return text[at+1:]
}
