// Package pgcopy writes items to a table of PostgreSQL through its COPY protocol,
// which is several times as fast as INSERT. It is a package of its own because it
// links github.com/jackc/pgx/v5; for databases behind database/sql, and for
// upserts, see sink.SQL.
//
//	pool, err := pgxpool.New(ctx, url)
//	...
//	stage.Run(ctx, flights, pgcopy.Sink[Flight](pool, "flights"))
package pgcopy
