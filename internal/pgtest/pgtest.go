// Package pgtest gives tests a schema of their own on the PostgreSQL server that
// .ci/postgres starts.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// Variable is the environment variable with the server's URL.
const Variable = "PENSTOCK_TEST_POSTGRES"

// Config makes a schema and returns how to connect to it. The schema is dropped
// when the test ends.
func Config(tb testing.TB) *pgx.ConnConfig {
	tb.Helper()
	url := os.Getenv(Variable)
	require.NotEmpty(tb, url, `%s is not set: run eval "$(.ci/postgres start)" first`, Variable)
	config, err := pgx.ParseConfig(url)
	require.NoError(tb, err)
	schema := "test_" + strings.ToLower(rand.Text()[:12])
	Execute(tb, config, "CREATE SCHEMA "+schema)
	own := config.Copy()
	own.RuntimeParams["search_path"] = schema
	own.RuntimeParams["application_name"] = schema // tells the connections of tests that run at once apart
	tb.Cleanup(func() { Execute(tb, config, "DROP SCHEMA "+schema+" CASCADE") })
	return own
}

// DB opens a database with database/sql in a new schema, after the statements.
func DB(tb testing.TB, statements ...string) *sql.DB {
	tb.Helper()
	config := Config(tb)
	Execute(tb, config, statements...)
	db := stdlib.OpenDB(*config)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// Execute executes statements on a connection of its own.
func Execute(tb testing.TB, config *pgx.ConnConfig, statements ...string) {
	tb.Helper()
	ctx := context.Background() // a cleanup's test has ended
	conn, err := pgx.ConnectConfig(ctx, config)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, conn.Close(ctx)) }()
	for _, s := range statements {
		_, err := conn.Exec(ctx, s)
		require.NoError(tb, err, s)
	}
}
