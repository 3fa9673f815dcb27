package pgcopy

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/penstock-go/penstock/stage"
)

const (
	// patience is how long the server may take to abort before it is asked to cancel.
	patience = 200 * time.Millisecond
	// grace is how long it may take then, before the connection is closed.
	grace = 5 * time.Second
)

// signature begins the data of a binary COPY: no flags, no extension.
const signature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// trailer ends it, in place of a row's number of columns.
const trailer = 0xffff

// copying is a COPY that is under way.
//
// It is the CopyFrom of pgconn, which takes bytes, and not that of pgx, which takes
// rows and encodes them on a goroutine of its own: a panic of a user's Valuer
// would end the program there, and an error would not say which row it is about.
type copying struct {
	tx     pgx.Tx
	conn   *pgconn.PgConn
	types  *pgtype.Map
	pipe   *io.PipeWriter
	cancel context.CancelFunc // closes the connection
	done   chan struct{}
	err    error // once done is closed
}

var errAborted = errors.New("the run was aborted")

// startCopy starts a goroutine that copies until end or abort is called.
func startCopy(ctx context.Context, tx pgx.Tx, statement string) *copying {
	conn := tx.Conn()
	in, pipe := io.Pipe()
	c := &copying{tx: tx, conn: conn.PgConn(), types: conn.TypeMap(), pipe: pipe, done: make(chan struct{})}
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(c.done)
		c.err = copyFrom(ctx, c.conn, in, statement)
		_ = in.CloseWithError(errors.Join(c.err, io.ErrClosedPipe)) // it never fails
	}()
	return c
}

func copyFrom(ctx context.Context, conn *pgconn.PgConn, in io.Reader, statement string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stage.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	_, err = conn.CopyFrom(ctx, in, statement)
	return err
}

// send waits until the server, or what is between, has taken the data.
func (c *copying) send(ctx context.Context, data []byte) error {
	interrupted := c.interruptible(ctx)
	_, err := c.pipe.Write(data)
	if interrupted() {
		return context.Cause(ctx)
	}
	if err != nil {
		<-c.done
		return cmp.Or(c.err, err)
	}
	return nil
}

// end ends the data and waits for the server's word.
func (c *copying) end(ctx context.Context) error {
	interrupted := c.interruptible(ctx)
	_ = c.pipe.Close() // it never fails
	<-c.done
	if interrupted() && c.err != nil {
		return context.Cause(ctx)
	}
	c.cancel()
	return c.err
}

// interruptible aborts the COPY when the context ends, until the function that it
// returns is called, which says whether that has happened.
func (c *copying) interruptible(ctx context.Context) (interrupted func() bool) {
	aborted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(aborted)
		c.abort(0)
	})
	return func() bool {
		if stop() {
			return false
		}
		<-aborted
		return true
	}
}

// abort makes the server drop what it got. A server that does not read, because it
// waits for a lock, is asked to cancel what it does, after it had some time. If
// that does not help, the connection is closed.
func (c *copying) abort(wait time.Duration) {
	_ = c.pipe.CloseWithError(errAborted) // it never fails
	if !c.ended(wait) {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		_ = c.conn.CancelRequest(ctx) // what comes of it is seen below
		cancel()
		if !c.ended(grace) {
			c.cancel()
		}
	}
	<-c.done
	c.cancel()
}

// ended waits for the end of the COPY, for a while.
func (c *copying) ended(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// rollback undoes a transaction and waits until a connection that was closed is
// cleaned up. A transaction that is closed, or whose connection is, needs no undoing.
func rollback(tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	conn := tx.Conn()
	err := tx.Rollback(ctx)
	if conn.IsClosed() {
		<-conn.PgConn().CleanupDone()
		return nil
	}
	if errors.Is(err, pgx.ErrTxClosed) {
		return nil
	}
	return err
}

// lineOf is the row that the server says an error is about, from 1, or 0.
func lineOf(err error, table string) (line int64) {
	bad, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return 0
	}
	_, rest, ok := strings.Cut(bad.Where, "COPY "+table+", ") // "COPY flights, line 3, column delay"
	if !ok {
		return 0
	}
	rest = strings.TrimLeft(rest, " abcdefghijklmnopqrstuvwxyz")
	if _, err := fmt.Sscan(rest, &line); err != nil {
		return 0
	}
	return line
}

func appendUint16(dst []byte, n uint16) []byte { return binary.BigEndian.AppendUint16(dst, n) }

// appendValue appends a value and its length.
func appendValue(types *pgtype.Map, dst []byte, oid uint32, value any) ([]byte, error) {
	at := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0xffffffff) // NULL
	with, err := types.Encode(oid, pgtype.BinaryFormatCode, value, dst)
	if err != nil {
		// A type that has no binary form may have one as text, which the column's
		// type can read.
		var again error
		if with, again = throughText(types, dst, oid, value); again != nil {
			return nil, err
		}
	}
	if with == nil {
		return dst, nil
	}
	binary.BigEndian.PutUint32(with[at:], uint32(len(with)-at-4))
	return with, nil
}

// throughText encodes a value that is, or has, a text.
func throughText(types *pgtype.Map, dst []byte, oid uint32, value any) ([]byte, error) {
	text, ok := value.(string)
	if !ok {
		encoded, err := types.Encode(oid, pgtype.TextFormatCode, value, nil)
		if err != nil {
			return nil, err
		}
		text = string(encoded)
	}
	var v any
	if err := types.Scan(oid, pgtype.TextFormatCode, []byte(text), &v); err != nil {
		return nil, err
	}
	return types.Encode(oid, pgtype.BinaryFormatCode, v, dst)
}
