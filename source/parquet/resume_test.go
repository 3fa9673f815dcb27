package parquet

import (
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"testing"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/stage"
)

// resumable is the source that the engine guards.
func resumable[T any](t require.TestingT, guard stage.Puller[T]) stage.Resumable {
	f := reflect.ValueOf(guard).Elem().FieldByName("p")
	r, ok := reflect.TypeAssert[stage.Resumable](reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem())
	require.True(t, ok)
	return r
}

func printOf[T any](t *testing.T, s stage.Stream[T]) (string, error) {
	t.Helper()
	p, err := s.Open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	got, err := resumable(t, p).Fingerprint(t.Context())
	return string(got), err
}

// resumes checks that from every token of a run on, the stream gives the rest.
func resumes[T any](t *testing.T, s stage.Stream[T], cut, limit stage.Limit) {
	t.Helper()
	want, wantPlaces, err := read(t, s, limit)
	require.NoError(t, err)
	p, err := s.Open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	var tokens []stage.Token
	var c stage.Chunk[T]
	for err == nil {
		if err = p.Pull(t.Context(), &c, cut); err == nil {
			tokens = append(tokens, c.Tokens...)
		}
	}
	require.Equal(t, io.EOF, err)
	for _, tok := range tokens {
		q, err := s.Open(t.Context())
		require.NoError(t, err)
		_, err = resumable(t, q).Fingerprint(t.Context())
		require.NoError(t, err)
		require.NoError(t, resumable(t, q).Seek(t.Context(), tok.At, tok.First))
		var got []T
		var places []stage.Position
		next := tok.First
		for err = error(nil); err == nil; {
			if err = q.Pull(t.Context(), &c, limit); err != nil {
				break
			}
			require.Equal(t, next, c.Tokens[0].First)
			next += c.Tokens[0].N
			for i := range c.Items {
				got = append(got, c.Items[i])
				places = append(places, c.Locate(i))
			}
		}
		require.Equal(t, io.EOF, err)
		require.NoError(t, q.Close())
		require.Equal(t, want[tok.First:], got, "from %+v", tok)
		require.Equal(t, wantPlaces[tok.First:], places)
	}
}

type resumed struct {
	ID   int64  `parquet:"id"`
	Name string `parquet:"name,dict"`
}

type nested struct {
	ID   int64    `parquet:"id"`
	Tags []string `parquet:"tags,list"`
}

func TestSourceResumes(t *testing.T) {
	var rows []resumed
	var others []nested
	for i := range 100 {
		rows = append(rows, resumed{int64(i), string(rune('a' + i%7))})
		others = append(others, nested{int64(i), []string{"x", string(rune('a' + i%3))}})
	}
	pages := parquet.PageBufferSize(40)
	a, b := written(t, 30, rows, pages), written(t, 1000, rows[:37], pages)
	none := written(t, 10, rows[:0])
	lists := written(t, 30, others)
	for _, limit := range []stage.Limit{{}, {Items: 1}, {Items: 7}} {
		for _, cut := range []stage.Limit{{}, {Items: 1}, {Items: 7}} {
			resumes(t, Source[resumed](a, Paths(none, b)), cut, limit)
			resumes(t, Source[resumed](a, Paths(b), Between("id", 33, 61)), cut, limit)
			resumes(t, Source[nested](lists, Paths(lists)), cut, limit)
		}
	}
}

// Of a row group that a run goes on in, as much is let go as of others.
func TestResumedGroupIsLetGo(t *testing.T) {
	rows := make([]resumed, 90)
	path := written(t, 30, rows)
	p, err := Source[resumed](path).Open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	require.NoError(t, resumable(t, p).Seek(t.Context(), stage.Position{Record: 40, Key: path}, 40))
	in, ok := resumable(t, p).(*puller[resumed])
	require.True(t, ok)
	var c stage.Chunk[resumed]
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{Items: 5}))
	o := in.files[0].Load()
	require.EqualValues(t, 15, o.groups[1].Load().left.Load())
	require.NoError(t, p.Pull(t.Context(), &c, stage.Limit{}))
	require.Len(t, c.Items, 15)
	require.Zero(t, o.groups[1].Load().left.Load())
	require.Nil(t, o.groups[1].Load().columns[0].pages)
	require.Nil(t, o.groups[0].Load(), "what is done is not even looked at")
}

func TestFingerprints(t *testing.T) {
	rows := []resumed{{1, "a"}, {2, "b"}}
	path := written(t, 1, rows)
	was, err := printOf(t, Source[resumed](path))
	require.NoError(t, err)
	again, err := printOf(t, Source[resumed](path, MaxPage(1<<20)))
	require.NoError(t, err)
	require.Equal(t, was, again)
	for _, other := range []stage.Stream[resumed]{
		Source[resumed](path, AtLeast("id", 1)), Source[resumed](path, Paths(path)), Source[resumed](written(t, 1, rows)),
	} {
		is, err := printOf(t, other)
		require.NoError(t, err)
		require.NotEqual(t, was, is)
	}
	is, err := printOf(t, Source[struct {
		ID int64 `parquet:"id"`
	}](path))
	require.NoError(t, err)
	require.NotEqual(t, was, is)

	s := Source[resumed](path)
	p, err := s.Open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	ctx, cancel := context.WithCancelCause(t.Context())
	errGone := errors.New("gone")
	cancel(errGone)
	_, err = resumable(t, p).Fingerprint(ctx)
	require.ErrorIs(t, err, errGone)
	require.NoError(t, os.WriteFile(path, encoded(t, 1, rows[:1]), 0o600))
	is, err = printOf(t, s)
	require.NoError(t, err)
	require.NotEqual(t, was, is)
	require.NoError(t, os.Remove(path))
	_, err = resumable(t, p).Fingerprint(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSeekRefuses(t *testing.T) {
	path := written(t, 1, []resumed{{1, "a"}, {2, "b"}})
	for _, at := range []stage.Position{
		{Record: -1}, {Record: 2}, {Record: 1, Offset: 1}, {Part: 1}, {Part: -1}, {Record: 1, Key: "else"},
	} {
		p, err := Source[resumed](path).Open(t.Context())
		require.NoError(t, err)
		require.ErrorContains(t, resumable(t, p).Seek(t.Context(), at, 1), "is no place to go on from", "%+v", at)
		require.NoError(t, p.Close())
	}
}
