package recipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"kvs/node/client"
)

// Token is a fencing token: higher than the token of every earlier holder of the same lock. It fits into the 64-bit
// integers of databases. What the lock protects compares tokens as numbers.
type Token int64

// String prints the token as a decimal number.
func (t Token) String() string { return strconv.FormatInt(int64(t), 10) }

// ParseToken reads what Token.String prints.
func ParseToken(text string) (Token, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%.40q is no fencing token: want a whole number above 0", text)
	}
	return Token(n), nil
}

// Where tokens come from. A lock is two paths:
//
//	NAME        the holder's record, with a time to live. It ends, and with it whatever it says.
//	NAME/token  the last token, for ever.
//
// A program acquires the lock in three writes, each of which waits for the one before:
//
//  1. create NAME if it has no value;
//  2. replace NAME/token, if no other program did meanwhile, by the higher one of: one more than it was, and the
//     timestamp of the version that step 1 made;
//  3. write the token into NAME, if it still has the version of step 1. Only now the lock is held.
//
// Let a program hold the lock under token x, and let another one hold it later. Then step 1 of the later program comes
// after step 3 of the former one in the order of NAME's operations, because the value of step 1 has to end before
// another one is created. So step 2 of the later one begins after step 2 of the former one has ended, and since
// NAME/token only grows, the later token is higher than x. This uses nothing but that each path is linearizable. A
// program that stands still between two steps ends up with no lock in step 3, and at most skips a number.
//
// The timestamp is for what no order of operations covers: NAME/token was deleted by hand, or is older than it was
// because a lost majority was replaced (kvs recover) or an older copy was put back. Then tokens still rise, as long as
// the clocks of members are about right.
const tokenPath = "/token"

// Lock is a lock that is held, until Release or until its lease is lost: see Lease.
type Lock struct {
	*Lease
	token Token
}

// Token is the fencing token: send it with everything that the lock protects.
func (l *Lock) Token() Token { return l.token }

// Acquire waits until the lock at path is free and takes it. The lock does not end with ctx, but with Release.
func Acquire(ctx context.Context, c *client.Client, path string, o Options) (*Lock, error) {
	return acquire(ctx, cluster{c}, path, o)
}

// TryAcquire takes the lock at path if it is free; a *HeldError says that it is not.
func TryAcquire(ctx context.Context, c *client.Client, path string, o Options) (*Lock, error) {
	return tryAcquire(ctx, cluster{c}, path, o)
}

func acquire(ctx context.Context, s store, path string, o Options) (*Lock, error) {
	for {
		l, err := tryAcquire(ctx, s, path, o)
		var held *HeldError
		if !errors.As(err, &held) && !errors.Is(err, ErrLost) {
			return l, err
		}
		for looks := true; looks; {
			if !pause(ctx, o.Poll/2) || !wait(ctx, o.Poll/2) {
				return nil, wrong("acquire", path, fmt.Errorf("%w: %w", context.Cause(ctx), err))
			}
			at, readErr := s.read(ctx, path)
			looks = readErr != nil && isPassing(readErr) || readErr == nil && at.etag != ""
		}
	}
}

func tryAcquire(ctx context.Context, s store, path string, o Options) (*Lock, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	begin := time.Now()
	first, err := begun(ctx, s, path, o, record{Holder: o.Holder}.encode(), jsonType)
	if isRefused(err) {
		return nil, heldBy(ctx, s, path)
	}
	if err != nil {
		return nil, wrong("acquire", path, err)
	}
	token, etag, begin, err := granted(ctx, s, path, o, first, begin)
	if err != nil {
		giveUp(ctx, s, path, o, first.etag)
		return nil, wrong("acquire", path, err)
	}
	body := record{Holder: o.Holder, Token: token}.encode()
	return &Lock{newLease(s, path, o, etag, begin, body, jsonType), token}, nil
}

// granted does steps 2 and 3 for the lock whose first version was written at begin or later. It returns when the lease
// was renewed by that.
func granted(ctx context.Context, s store, path string, o Options, first version, begin time.Time) (Token, string,
	time.Time, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, begin.Add(o.lasts()),
		fmt.Errorf("%w: the cluster answered too slowly", ErrLost))
	defer cancel()
	token, err := nextToken(ctx, s, path+tokenPath, o, Token(first.at))
	if err != nil {
		return 0, "", begin, because(ctx, err)
	}
	begin = time.Now()
	w := write{after: first.etag, key: newKey(), ttl: o.TTL, contentType: jsonType,
		body: record{Holder: o.Holder, Token: token}.encode()}
	made, err := settle(ctx, o.patience(), func(ctx context.Context) (version, error) { return s.write(ctx, path, w) })
	if isRefused(err) {
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	return token, made.etag, begin, because(ctx, err)
}

// because adds why ctx ended to an error that came of it.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// nextToken is step 2.
func nextToken(ctx context.Context, s store, path string, o Options, atLeast Token) (Token, error) {
	for delay := pauseMin; ; delay = min(2*delay, pauseMax) {
		last, err := settle(ctx, o.patience(), func(ctx context.Context) (content, error) { return s.read(ctx, path) })
		if err != nil {
			return 0, err
		}
		token := atLeast
		if last.etag != "" {
			before, err := ParseToken(string(last.body))
			if err != nil {
				return 0, fmt.Errorf("%s: %w; delete it", path, err)
			}
			if before == math.MaxInt64 {
				return 0, fmt.Errorf("%s: there is no token above %d", path, before)
			}
			token = max(token, before+1)
		}
		w := write{after: last.etag, key: newKey(), body: []byte(token.String()), contentType: textType}
		_, err = settle(ctx, o.patience(), func(ctx context.Context) (version, error) { return s.write(ctx, path, w) })
		if err == nil || !isRefused(err) {
			return token, err
		}
		if !pause(ctx, delay) {
			return 0, ctx.Err()
		}
	}
}

// giveUp frees what tryAcquire has begun and not finished, as far as that is possible within a moment.
func giveUp(ctx context.Context, s store, path string, o Options, etag string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.patience())
	defer cancel()
	_ = s.remove(ctx, path, etag, newKey()) // otherwise it ends with its time to live.
}

// heldBy says who holds a lock.
func heldBy(ctx context.Context, s store, path string) error {
	held := &HeldError{Path: path}
	if at, err := s.read(ctx, path); err == nil {
		if r, err := decode(at.body); err == nil {
			held.Holder, held.Token = r.Holder, r.Token
		}
	}
	return held
}

// isPassing reports whether the same may succeed later.
func isPassing(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Retryable
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	jsonType = "application/json"
	textType = "text/plain; charset=utf-8"
)

// record is the value of a lock, as JSON with these members:
//
//	format  1
//	holder  who holds it, as it calls itself; absent: it did not say.
//	token   decimal text, because numbers in JavaScript have 53 bits; absent: it is not held yet.
//
// A program that finds another format, or no record at all, takes the lock for held, and waits until the value ends.
type record struct {
	Format int    `json:"format"`
	Holder string `json:"holder,omitempty"`
	Token  Token  `json:"token,omitempty,string"`
}

const recordFormat = 1

func (r record) encode() []byte {
	r.Format = recordFormat
	b, err := json.Marshal(r)
	if err != nil {
		panic("recipe: " + err.Error()) // strings and numbers always encode.
	}
	return b
}

func decode(body []byte) (record, error) {
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return record{}, err
	}
	if r.Format != recordFormat || r.Token < 0 {
		return record{}, fmt.Errorf("a lock's record of format %d: this program knows %d", r.Format, recordFormat)
	}
	return r, nil
}
