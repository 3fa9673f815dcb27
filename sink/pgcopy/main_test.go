package pgcopy

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// broken is a database that cannot be reached.
type broken struct{}

func (broken) Begin(context.Context) (pgx.Tx, error) { return nil, errBoom }

type small struct {
	N int `db:"n"`
}

// panics calls fn and returns what it panicked with.
func panics(t *testing.T, fn func()) (message string) {
	t.Helper()
	defer func() { message = fmt.Sprint(recover()) }()
	fn()
	return ""
}

func TestArguments(t *testing.T) {
	var conn *pgx.Conn
	for want, fn := range map[string]func(){
		"penstock: pgcopy.Sink: db is nil":                            func() { Sink[small](conn, "t") },
		"penstock: pgcopy.Sink: an option is nil":                     func() { Sink[small](broken{}, "t", nil) },
		"penstock: pgcopy.Sink: T is int, want a struct":              func() { Sink[int](broken{}, "t") },
		"penstock: pgcopy.CommitEvery: rows is -1, want 0 or more":    func() { CommitEvery(-1) },
		"penstock: pgcopy.Sink: T is struct {}, which has no columns": func() { Sink[struct{}](broken{}, "t") },
	} {
		assert.Equal(t, want, panics(t, fn))
	}
	assert.Equal(t, "penstock: pgcopy.Sink: db is nil", panics(t, func() { Sink[small](nil, "t") }))
	assert.Equal(t, "pgcopy(s.t)", fmt.Sprint(Sink[small](broken{}, "s.t")))
}

func TestOpenErrors(t *testing.T) {
	_, err := Sink[small](broken{}, "t").Open(t.Context(), nil)
	require.ErrorIs(t, err, errBoom)
	require.EqualError(t, err, "pgcopy: t: boom")
	_, err = Sink[small](broken{}, "t").Open(t.Context(), []byte("{}"))
	require.ErrorIs(t, err, errNoResume)
}

func TestLineOf(t *testing.T) {
	for where, want := range map[string]int64{
		"COPY t, line 3, column n": 3,
		"COPY t, line 12":          12,
		"PL/pgSQL function f() line 7 at RAISE\nCOPY t, line 4": 4,
		"COPY tt, line 3": 0,
		"COPY t, Zeile 3": 0,
		"COPY t, line":    0,
		"":                0,
	} {
		assert.Equal(t, want, lineOf(fmt.Errorf("wrapped: %w", &pgconn.PgError{Where: where}), "t"), where)
	}
	assert.EqualValues(t, 1, lineOf(&pgconn.PgError{Where: "COPY a, line 9, line 1"}, "a, line 9"))
	assert.Zero(t, lineOf(errBoom, "t"))
}
