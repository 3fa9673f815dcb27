package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// log is a log file of a test.
type log struct {
	t    *testing.T
	path string
}

func newLog(t *testing.T) log {
	t.Helper()
	return log{t, filepath.Join(t.TempDir(), "app.log")}
}

func (l log) add(text string) {
	l.t.Helper()
	l.addTo("", text)
}

// addTo adds to the file that has this behind the log's name.
func (l log) addTo(suffix, text string) {
	l.t.Helper()
	f, err := os.OpenFile(l.path+suffix, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(l.t, err)
	_, err = f.WriteString(text)
	require.NoError(l.t, err)
	require.NoError(l.t, f.Close())
}

func (l log) move(from, to string) { require.NoError(l.t, os.Rename(l.path+from, l.path+to)) }

func (l log) remove(suffix string) { require.NoError(l.t, os.Remove(l.path+suffix)) }

func (l log) truncate(suffix string) { require.NoError(l.t, os.Truncate(l.path+suffix, 0)) }

// pack compresses a rotated file, as rotation does.
func (l log) pack(suffix string) {
	b, err := os.ReadFile(l.path + suffix)
	require.NoError(l.t, err)
	f, err := os.Create(l.path + suffix + ".gz")
	require.NoError(l.t, err)
	w := gzip.NewWriter(f)
	_, err = w.Write(b)
	require.NoError(l.t, errors.Join(err, w.Close(), f.Close()))
	l.remove(suffix)
}

// event is a line, or an error, and when it came.
type event struct {
	at   time.Duration
	text string
}

// watch follows the log while the writer writes, in a bubble, until nothing was added
// for 10 seconds.
func (l log) watch(writer func(), opts ...source.Option) (events []event, err error) {
	start, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		writer()
	}()
	defer func() { <-done }()
	for line, err := range source.Follow(l.path, append(opts, source.IdleFor(10*time.Second))...).All(l.t.Context()) {
		var item *stage.ItemError
		switch {
		case errors.As(err, &item):
			require.Regexp(l.t, `app\.log@[^ ]*: record \d+, byte \d+: `, err.Error())
			if errors.Is(err, source.ErrTooLong) {
				_, line, _ = strings.Cut(err.Error(), ": record ")
				line = "record " + line
				break
			}
			require.ErrorIs(l.t, err, source.ErrGap)
			_, why, _ := strings.Cut(err.Error(), source.ErrGap.Error()+": ")
			line = "GAP " + why
		case err != nil:
			return events, err
		}
		events = append(events, event{time.Since(start).Round(time.Millisecond), strings.Clone(line)})
	}
	return events, nil
}

// lines are what watch saw.
func lines(events []event, err error) []string {
	all := make([]string, 0, len(events)+1)
	for _, e := range events {
		all = append(all, e.text)
	}
	if err != nil {
		all = append(all, "ERROR "+err.Error())
	}
	return all
}

func TestFollowScenarios(t *testing.T) {
	const gone = "GAP the file before is not in its folder any more, or not under a name of a rotated one"
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, c := range map[string]struct {
		before func(l log)
		during func(l log)
		opts   []source.Option
		want   []string
	}{
		"grows": {
			before: func(l log) { l.add("a\r\n\nb") },
			during: func(l log) { l.add("b\nc\n") },
			want:   []string{"a", "", "bb", "c"},
		},
		"byte order mark": {before: func(l log) { l.add("\ufeffa\n") }, want: []string{"a"}},
		"from the end": {
			before: func(l log) { l.add("a\nb\n" + long(100000)) },
			during: func(l log) { l.add("c\nd\n") },
			opts:   []source.Option{source.FromEnd()}, want: []string{long(100000) + "c", "d"},
		},
		"from the end of whole lines": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) { l.add("b\n"); l.move("", ".1"); l.add("c\n") },
			opts:   []source.Option{source.FromEnd()}, want: []string{"b", "c"},
		},
		"from the end of a file to come": {
			during: func(l log) { l.add("a\n") },
			opts:   []source.Option{source.FromEnd()}, want: []string{"a"},
		},
		"written to after it was moved": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) {
				l.move("", ".1")
				l.add("c\n")
				time.Sleep(700 * time.Millisecond)
				l.addTo(".1", "b\n")
			},
			want: []string{"a", "b", "c"},
		},
		"written to after it was left": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) {
				l.move("", ".1")
				l.add("b\n")
				time.Sleep(3 * time.Second)
				l.addTo(".1", "late\n")
				time.Sleep(2 * time.Second)
				l.add("c\n")
			},
			want: []string{"a", "b", "GAP 5 bytes were added to the file before after it was left", "c"},
		},
		"moved and not made again": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) { l.move("", ".1"); time.Sleep(5 * time.Second); l.addTo(".1", "b\nc") },
			want:   []string{"a", "b", "c"},
		},
		"removed and not made again": {
			before: func(l log) { l.add("a\nb") },
			during: func(l log) { l.remove("") },
			want:   []string{"a", "b"},
		},
		"removed and made again": {
			before: func(l log) { l.add("a\nb") },
			during: func(l log) { l.remove(""); l.add("c\n") },
			want:   []string{"a", "b", gone, "c"},
		},
		"compressed at once": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) { l.move("", ".1"); l.add("b\n"); l.pack(".1") },
			want:   []string{"a", "b"},
		},
		"one between was compressed": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) {
				l.move("", ".2")
				l.addTo(".1", "lost\n")
				l.pack(".1")
				l.add("b\n")
			},
			want: []string{"a", "GAP app.log.1.gz is compressed", "b"},
		},
		"one between was removed": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) { l.move("", ".3"); l.addTo(".1", "b\n"); l.add("c\n") },
			want:   []string{"a", "GAP there is app.log.1 and none with the number 2", "b", "c"},
		},
		"names contradict": {
			before: func(l log) { l.addTo(".1", "old\n"); l.addTo(".5", "old\n"); l.add("a\n") },
			during: func(l log) { l.move("", ".2"); l.addTo(".4", "b\n"); l.add("c\n") },
			want:   []string{"a", "GAP the names of the files in its folder contradict what was there before", "b", "c"},
		},
		"two without an order": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) {
				l.move("", ".old")
				l.move(".old", "-gone")
				l.remove("-gone")
				l.addTo(".old", "b\n")
				l.add("c\n")
			},
			want: []string{"a", gone, "b", "c"},
		},
		"other files beside it": {
			before: func(l log) { l.add("a\n"); l.addTo("x.1", "no\n"); l.addTo(".1.gz", "no\n") },
			during: func(l log) { l.addTo("x.2", "no\n"); l.move("", "-20260131"); l.add("b\n") },
			want:   []string{"a", "b"},
		},
		"truncated": {
			before: func(l log) { l.add("a\nb") },
			during: func(l log) { l.truncate(""); time.Sleep(time.Second); l.add("c\n") },
			want:   []string{"a", "b", "c"},
		},
		"truncated and grown beyond": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) { l.truncate(""); l.add("b\nc\nd\n") },
			want:   []string{"a", "b", "c", "d"},
		},
		"truncated after it was moved": {
			before: func(l log) { l.add("a\n") },
			during: func(l log) { l.move("", ".1"); l.truncate(".1"); l.addTo(".1", "xyz\n"); l.add("b\n") },
			want:   []string{"a", "GAP the file was truncated after it was rotated away", "b"},
		},
		"a line too long": {
			before: func(l log) { l.add("ab\n" + long(11)) },
			during: func(l log) { l.add("\nc\n") },
			opts:   []source.Option{source.MaxRecord(10)},
			want:   []string{"ab", "record 2, byte 3: record too long: 11 bytes, limit 10", "c"},
		},
		"names of one's own": {
			before: func(l log) {
				require.NoError(l.t, os.Mkdir(filepath.Join(filepath.Dir(l.path), "old"), 0o700))
				l.add("a\n")
			},
			during: func(l log) {
				for i, next := range []string{"b\n", "c\n"} {
					require.NoError(l.t, os.Rename(l.path, filepath.Join(filepath.Dir(l.path), "old", fmt.Sprintf("at %d000", i))))
					l.add(next)
				}
			},
			opts: []source.Option{source.Rotated("old/at *")},
			want: []string{"a", "b", "c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLog(t)
				if c.before != nil {
					c.before(l)
				}
				got := lines(l.watch(func() {
					time.Sleep(time.Second)
					if c.during != nil {
						c.during(l)
					}
				}, c.opts...))
				require.Equal(t, c.want, got)
			})
		})
	}
}

// A line that ends a silence comes with the next look; one that comes soon after
// another is not kept waiting as long.
func TestFollowLooksSoonerAtABusyFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		events, err := l.watch(func() {
			time.Sleep(time.Hour / 60)
			time.Sleep(9 * time.Second)
		}, source.PollEvery(64*time.Millisecond))
		require.NoError(t, err)
		require.Empty(t, events, "it ends though the file never came")
		events, err = l.watch(func() {
			for range 3 {
				l.add("x\n")
				time.Sleep(2 * time.Millisecond)
			}
		}, source.PollEvery(64*time.Millisecond))
		require.NoError(t, err)
		require.Len(t, events, 3)
		require.Less(t, events[2].at, 10*time.Millisecond)
	})
}

// A pull that is given up loses nothing.
func TestFollowGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		p, err := source.Follow(l.path).Open(t.Context())
		require.NoError(t, err)
		var c stage.Chunk[string]
		var got []string
		why := errors.New("why")
		for _, text := range []string{"a", "b\nc", "d\n", ""} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
			for err = nil; err == nil; {
				err = p.Pull(ctx, &c, stage.Limit{})
				got = append(got, c.Items...)
			}
			cancel()
			require.ErrorIs(t, err, why)
			l.add(text)
		}
		require.NoError(t, p.Close())
		require.Equal(t, []string{"ab", "cd"}, got)
	})
}

func TestFollowRefusesWhatDoesNotGrow(t *testing.T) {
	l := newLog(t)
	open := func(path string) error {
		p, err := source.Follow(path).Open(t.Context())
		if err == nil {
			require.NoError(t, p.Close())
		}
		return err
	}
	require.ErrorIs(t, open(filepath.Dir(l.path)), syscall.EISDIR)
	require.ErrorContains(t, open("-"), "source: -: standard input cannot be followed")
	require.ErrorContains(t, open(os.DevNull), "source: "+os.DevNull+": only a regular file can be followed")
	require.NoError(t, open(filepath.Join(l.path, "not", "there")[:len(l.path)-1]))
}

// A folder in a file's place ends the stream, after all lines.
func TestFollowFileBecomesAFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		l.add("a\nb\n")
		got := lines(l.watch(func() {
			time.Sleep(time.Second)
			l.move("", ".1")
			l.addTo(".1", "c\n")
			require.NoError(t, os.Mkdir(l.path, 0o700))
		}))
		require.Equal(t, []string{"a", "b", "c"}, got[:3])
		require.Contains(t, got[3], "ERROR source: "+l.path+": record 4, byte 6: is a directory")
	})
}

// Of a link, what it points to is followed, and where it points to.
func TestFollowLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		name := func(n int) string { return filepath.Join(dir, fmt.Sprintf("app.%04d.log", n)) }
		l := log{t, filepath.Join(dir, "current")}
		to := func(n int) {
			log{t, name(n)}.add(fmt.Sprintf("%d\n", n))
			require.NoError(t, os.Symlink(name(n), l.path+".new"))
			l.move(".new", "")
		}
		to(98)
		got := lines(l.watch(func() {
			time.Sleep(time.Second)
			to(99)
			time.Sleep(time.Second)
			to(100)
			to(101)
		}))
		require.Equal(t, []string{"98", "99", "100", "101"}, got)
	})
}

func TestFollowChecksItsArguments(t *testing.T) {
	for want, call := range map[string]func(){
		"penstock: source.PollEvery: d is -1ns, want 0 or more":                    func() { source.PollEvery(-1) },
		"penstock: source.IdleFor: d is -1ns, want 0 or more":                      func() { source.IdleFor(-1) },
		"penstock: source.LingerFor: d is -1ns, want 0 or more":                    func() { source.LingerFor(-1) },
		`penstock: source.Rotated: pattern "[": syntax error in pattern`:           func() { source.Rotated("[") },
		"penstock: source.Follow: MaxRatio is no option of a live source":          func() { source.Follow("x", source.MaxRatio(1)) },
		"penstock: source.Lines: FromEnd is an option of Follow, FollowBytes only": func() { source.Lines("x", source.FromEnd()) },
	} {
		require.PanicsWithValue(t, want, call)
	}
}

// A run that is stopped goes on where it left off, through rotations that nobody saw;
// where what came next is gone, it is refused.
func TestFollowRunsGoOn(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLog(t)
			l.add("")
			store := checkpoint.File(filepath.Join(t.TempDir(), "checkpoint"))
			var got []string
			run := func(opts ...pool.Option) error {
				stop, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				p := pool.New(2)
				defer p.Close()
				if unordered {
					opts = append(opts, pool.Unordered())
				}
				clone := func(_ context.Context, line []byte) (string, error) { return string(line), nil }
				_, err := stage.Run(t.Context(), pool.Imap(p, source.FollowBytes(l.path), clone, opts...), sink.Func(func(_ context.Context, line string) error {
					got = append(got, line)
					return nil
				}), stage.Checkpoint(store, time.Second), stage.Shutdown(stop, 0))
				return err
			}
			require.ErrorIs(t, run(), stage.ErrStopped)
			l.add("a\nb")
			l.move("", ".1")
			require.ErrorIs(t, run(), stage.ErrStopped)
			l.add("c\n")
			l.move(".1", ".2")
			l.move("", ".1")
			l.add("d\n")
			require.ErrorIs(t, run(), stage.ErrStopped)
			require.Len(t, got, 4)
			if !unordered {
				require.Equal(t, []string{"a", "b", "c", "d"}, got)
			}
			l.move("", ".3")
			l.add("e\n")
			err := run()
			require.ErrorIs(t, err, source.ErrGap)
			require.ErrorContains(t, err, "contradict the times")
			l.remove(".3")
			err = run()
			require.ErrorIs(t, err, source.ErrGap)
			require.ErrorContains(t, err, "is not in its folder any more")
			require.Len(t, got, 4)
		})
	}
}

// A log that is written and rotated as fast as can be, while it is read.
func TestFollowWhileItIsWritten(t *testing.T) {
	l := newLog(t)
	const n, files = 3000, 12
	l.add("start\n")
	write := func(done chan<- struct{}) {
		defer close(done)
		last := 0
		for i := range n {
			l.add(fmt.Sprintf("%d\n", i))
			if i%(n/files) == n/files-1 {
				for k := last; k > 0; k-- {
					l.move(fmt.Sprintf(".%d", k), fmt.Sprintf(".%d", k+1))
				}
				l.move("", ".1")
				last++
			}
		}
		l.add("end\n")
	}
	done := make(chan struct{})
	next := 0
	for line, err := range source.Follow(l.path, source.PollEvery(time.Millisecond), source.LingerFor(200*time.Millisecond)).All(t.Context()) {
		require.NoError(t, err)
		if line == "start" {
			go write(done)
			continue
		}
		if line == "end" {
			break
		}
		require.Equal(t, fmt.Sprint(next), line)
		next++
	}
	<-done
	require.Equal(t, n, next)
}
