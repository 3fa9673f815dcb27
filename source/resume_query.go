package source

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"github.com/penstock-go/penstock/stage"
)

// queryFingerprint is what must not change of a query.
type queryFingerprint struct {
	Query   string          `json:"query"`
	Args    []string        `json:"args,omitzero"`
	Key     []string        `json:"key"`
	After   *stage.Position `json:"after,omitzero"`
	Dialect string          `json:"dialect"`
}

// Fingerprint implements stage.Resumable: the query needs a key.
func (p *queryPuller[T]) Fingerprint(context.Context) (json.RawMessage, error) {
	q := p.q
	if q.key == nil {
		return nil, fmt.Errorf("source: %w", &QueryError{
			Query: q.text, Err: noResume("its rows have no order to go on in; name a key with source.Key"),
		})
	}
	is := queryFingerprint{Query: q.text, Key: q.key, Dialect: q.dialect.Name}
	for _, arg := range q.args {
		is.Args = append(is.Args, argText(arg))
	}
	if q.resumes {
		is.After = &q.after
	}
	return json.Marshal(is)
}

// argText is an argument as the database is given it.
func argText(arg any) string {
	if named, ok := arg.(sql.NamedArg); ok {
		return named.Name + "=" + argText(named.Value)
	}
	v, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if err != nil { // the driver may know better
		return fmt.Sprintf("%T %v", arg, arg)
	}
	if v == nil {
		return "NULL"
	}
	text := encodeKey([]any{v})
	return text[1 : len(text)-1]
}

// Seek implements stage.Resumable.
func (p *queryPuller[T]) Seek(_ context.Context, at stage.Position, first int64) error {
	if first < 0 || at.Record-first != p.q.after.Record || at.Part != 0 || at.Offset != 0 {
		return placeError(at, first, "its numbers do not fit together")
	}
	if at.Key == "" {
		if first > 0 {
			return placeError(at, first, "it has no key")
		}
		return nil
	}
	key, err := p.q.keyOf(at.Key)
	if err != nil {
		return placeError(at, first, err.Error())
	}
	p.last, p.before = key, key
	p.row, p.first = at.Record, first
	return nil
}
