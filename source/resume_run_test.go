package source

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/reugn/go-streams"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/stage"
)

// inMemory is a store that outlives the runs that use it.
type inMemory struct{ state []byte }

func (*inMemory) Open(context.Context) error  { return nil }
func (*inMemory) Close(context.Context) error { return nil }

func (m *inMemory) Load(context.Context) (checkpoint.State, bool, error) {
	if m.state == nil {
		return checkpoint.State{}, false, nil
	}
	s, err := checkpoint.Decode(m.state)
	return s, true, err
}

func (m *inMemory) Save(_ context.Context, s checkpoint.State) (err error) {
	m.state, err = s.Encode()
	return err
}

var errCrash = errors.New("crash")

// crasher is a sink that takes items at once and crashes after a number of writes.
type crasher[T any] struct {
	taken *[]T
	left  int // writes
}

func (c *crasher[T]) Open(context.Context, json.RawMessage) (stage.Writer[T], error) { return c, nil }

func (c *crasher[T]) Write(_ context.Context, chunk *stage.Chunk[T]) error {
	if c.left--; c.left < 0 {
		return errCrash
	}
	*c.taken = append(*c.taken, chunk.Items...)
	return nil
}

func (*crasher[T]) Close(context.Context, error) error { return nil }

// crashedRun is a run that dies after some writes, with a checkpoint at each.
func crashedRun[T any](ctx context.Context, s stage.Stream[T], store checkpoint.Store, taken *[]T, writes int) error {
	_, err := stage.Run(ctx, s, &crasher[T]{taken, writes}, stage.Checkpoint(store, 1), stage.Continue(0))
	return err
}

// tiny makes chunks of one item.
func tiny[T any](s stage.Stream[T]) stage.Stream[T] {
	return stage.Unbatch(stage.Batch(s, 1))
}

// Runs that die at every write together give what one does.
func TestRunsOverFilesThatCrash(t *testing.T) {
	var text strings.Builder
	var want []pair
	text.WriteString("A,B\n")
	for i := range 40 {
		p := pair{strings.Repeat("x", i), "a\n\"b"}
		want = append(want, p)
		text.WriteString(p.A + ",\"a\n\"\"b\"\n")
	}
	for _, how := range storages() {
		path := file(t, "in", stored(t, how, text.String()))
		var store inMemory
		var got []pair
		runs := 0
		for ; ; runs++ {
			err := crashedRun(t.Context(), tiny(CSV[pair](path, Paths(path))), &store, &got, 7)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errCrash)
		}
		require.Greater(t, runs, 5)
		require.Equal(t, slices.Concat(want, want), got)
	}
}

// What changed between two runs is refused, before anything is written, by name.
func TestChangedFilesAreRefused(t *testing.T) {
	const text = "A,B\n1,2\n3,4\n5,6\n7,8\n"
	dir := t.TempDir()
	for name, c := range map[string]struct {
		change func(path string) error
		opts   []Option
		want   string
	}{
		"grown":      {change: func(p string) error { return os.WriteFile(p, []byte(text+"9,10\n"), 0o600) }, want: "files.PATH.size was 20, is 25"},
		"truncated":  {change: func(p string) error { return os.Truncate(p, 16) }, want: "files.PATH.size was 20, is 16"},
		"replaced":   {change: func(p string) error { return os.WriteFile(p, []byte(strings.Replace(text, "3", "9", 1)), 0o600) }, want: "files.PATH.head_sha256 was"},
		"compressed": {change: func(p string) error { return os.WriteFile(p, []byte(packed(t, "gz", text)), 0o600) }, want: `files.PATH.compression was "none", is "gzip"`},
		"more": {change: func(string) error { return os.WriteFile(filepath.Join(dir, "z.csv"), []byte(text), 0o600) },
			want: "files." + filepath.Join(dir, "z.csv") + " is {"},
		"delimiter": {opts: []Option{Comma(';')}, want: `records.csv.comma was ",", is ";"`},
		"header":    {opts: []Option{Header("A", "B")}, want: "records.csv.header_in_file was true, is false"},
		"limit":     {opts: []Option{MaxRecord(10)}, want: "records.max_record was 16,777,216, is 10"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "a.csv")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "z.csv"))) // of another case
			pattern := filepath.Join(dir, "*.csv")
			var store inMemory
			var got []pair
			require.ErrorIs(t, crashedRun(t.Context(), tiny(CSV[pair](pattern)), &store, &got, 2), errCrash)
			if c.change != nil {
				require.NoError(t, c.change(path))
			}
			err := crashedRun(t.Context(), tiny(CSV[pair](pattern, c.opts...)), &store, &got, 100)
			changed, ok := errors.AsType[*checkpoint.ChangedError](err)
			require.True(t, ok, "%v", err)
			require.ErrorContains(t, changed, strings.ReplaceAll(c.want, "PATH", path))
			require.Len(t, got, 2)
		})
	}
}

// What cannot go on says so when the run starts, by name.
func TestSourcesThatCannotResume(t *testing.T) {
	seq := slices.Values([]string{"a"})
	for name, s := range map[string]stage.Stream[string]{
		"Chan: ":       Chan(make(chan string)),
		"FromOutlet: ": FromOutlet[string](func(context.Context) (streams.Outlet, error) { panic("called") }),
		"Func: ":       Func(func(context.Context) (string, error) { panic("called") }),
		"Seq: ":        Seq(seq),
		"SeqErr: ": SeqErr(func(yield func(string, error) bool) {
			for v := range seq {
				yield(v, nil)
			}
		}),
		"Lines: source: stdin: ": Lines(file(t, "in", "a\n"), Paths("-")),
	} {
		var got []string
		err := crashedRun(t.Context(), s, &inMemory{}, &got, 100)
		require.ErrorIs(t, err, ErrNoResume, name)
		require.ErrorContains(t, err, name)
		require.Empty(t, got)
	}
	var pairs []stage.Pair[int, string]
	err := crashedRun(t.Context(), Seq2(slices.All([]string{"a"})), &inMemory{}, &pairs, 100)
	require.ErrorIs(t, err, ErrNoResume)

	var got []string
	missing := file(t, "in", "a\n")
	s := Lines(missing)
	require.NoError(t, os.Remove(missing))
	require.ErrorIs(t, crashedRun(t.Context(), s, &inMemory{}, &got, 100), os.ErrNotExist)
}

// Wherever a run is told to go on, it does from there or says why not.
func FuzzSeek(f *testing.F) {
	f.Add("A,B\n1,2\n\"3\n\",4\n", uint8(0), int64(4), int64(0), int64(0))
	f.Add("[1,2,[3]]", uint8(1), int64(2), int64(1), int64(1))
	f.Add("\ufeffa\r\nb", uint8(2), int64(3), int64(0), int64(0))
	f.Add("a\nb\n", uint8(9), int64(2), int64(1), int64(5))
	f.Fuzz(func(t *testing.T, text string, kind uint8, offset, record, first int64) {
		if len(text) > 1000 {
			t.Skip("too long")
		}
		how := storages()[int(kind/4)%len(storages())]
		path := file(t, "in", stored(t, how, text))
		at := stage.Position{Offset: offset, Record: record, Key: path}
		switch kind % 4 {
		case 0:
			seekAnywhere(t, Records(path, MaxRecord(50)), at, first)
		case 1:
			seekAnywhere(t, JSON[any](path, MaxRecord(50)), at, first)
		case 2:
			seekAnywhere(t, Records(path, NoHeader(), MaxRecord(50)), at, first)
		case 3:
			p, err := sought(t, Lines(path, MaxRecord(50)), at, first)
			if err != nil {
				return
			}
			defer func() { require.NoError(t, p.Close()) }()
			var c stage.Chunk[string]
			err = p.Pull(t.Context(), &c, stage.Limit{Items: 1})
			require.True(t, err == nil || len(c.Items) == 0)
			if len(c.Items) == 1 {
				require.True(t, strings.HasPrefix(text[offset:], c.Items[0]))
				require.Equal(t, stage.Token{At: c.Tokens[0].At, First: first, N: 1}, c.Tokens[0])
				require.True(t, offset == 0 || text[offset-1] == '\n' || text[:offset] == bom)
			}
		}
	})
}

// seekAnywhere reads a stream from anywhere to its end.
func seekAnywhere[T any](t *testing.T, s stage.Stream[T], at stage.Position, first int64) {
	t.Helper()
	p, err := sought(t, s, at, first)
	if err != nil {
		return
	}
	r := drained(t, p, first, stage.Limit{Items: 3})
	require.NoError(t, p.Close())
	require.LessOrEqual(t, len(r.items)+len(r.errs), 1000)
}
