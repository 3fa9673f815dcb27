package stage

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/penstock-go/penstock/internal/subprocess"
)

// The settings of a Command that are not given.
const (
	defaultMaxLine      = 1 << 20
	defaultGrace        = 5 * time.Second
	defaultRestarts     = 5
	defaultRestartDelay = 100 * time.Millisecond
	maxRestartDelay     = 10 * time.Second
)

// Command is a program for Exec, ExecJSON and their forms in package pool, and how it
// is run. Only Args must be given. It is a value: a stream keeps a copy of it.
type Command struct {
	// Args are the program and its arguments, as the program gets them: there is no
	// shell. A program without a slash is looked for in this process's PATH.
	Args []string
	// Dir is the folder that it runs in; "" is the present one.
	Dir string
	// Env is its environment, KEY=value each. It has nothing else of this process's
	// environment than what InheritEnv names; Env wins. (Windows adds SYSTEMROOT.)
	Env []string
	// InheritEnv names variables that it inherits if they are set, as in
	// []string{"PATH", "HOME"}. They are looked up when it starts.
	InheritEnv []string
	// Stderr is given what it writes to stderr, one Write at a time, also if several
	// processes do; nil, the default, gives it to nobody. The last 4 KiB are in errors
	// in any case. Stderr's own error, or panic, ends the stream when the process does.
	Stderr io.Writer
	// Timeout is how long it may take to answer an item. Who takes longer is killed; the
	// item fails with a *TimeoutError, which is a context.DeadlineExceeded. The default,
	// 0, is no limit.
	Timeout time.Duration
	// MaxLine is how many bytes an answer may have. One that has more fails its item,
	// with bufio.ErrTooLong, and the process is killed. The default, and what 0 means,
	// is 1 MiB.
	MaxLine int
	// Pipeline is how many items of a chunk may be written before the answer to the
	// first of them is read. The default, and what 0 means, is 1: an item is written
	// when the one before it was answered. More is several times as fast for quick
	// programs, and then an item may be sent twice; see Exec. A run with a stall detector
	// (StallAfter) sends one at a time.
	Pipeline int
	// Restarts is how often it may fail in a row, without an answer in between, and be
	// started again: with one failure more the stream ends with ErrRestarts. The
	// default, and what 0 means, is 5.
	Restarts int
	// RestartDelay is how long to wait before it is started again after the second
	// failure in a row. Before each further one the wait is twice as long, up to 10 s
	// or RestartDelay if that is longer, and by half at random. The default, and what 0
	// means, is 100 ms.
	RestartDelay time.Duration
	// Grace is how long it may take to end, behind the last item, when its input has
	// been closed, before its group is sent SIGTERM, and then again before it is killed.
	// The default, and what 0 means, is 5 s.
	Grace time.Duration
}

// ErrOutOfStep is the cause when a process of Exec writes a line that no item was
// waiting for, so that the answers cannot be told apart any more.
var ErrOutOfStep = errors.New("out of step")

// ErrRestarts ends a stream whose process failed more often in a row than
// Command.Restarts allows.
var ErrRestarts = errors.New("failed too often in a row")

// ProcessError says that a process of Exec failed: at an item, which is lost then, or at
// the end of the stream.
type ProcessError struct {
	Args []string // the command
	// Err is why, or when: it is or wraps ErrOutOfStep, a *TimeoutError or
	// bufio.ErrTooLong if the process was killed for that.
	Err error
	// State is how the process ended, by itself or killed.
	State *os.ProcessState
	// Stderr is the end of what it wrote to stderr, 4 KiB at most.
	Stderr string

	killed bool
}

// Error names the command, what happened, how the process ended if it was not killed
// for it, and the end of what it wrote to stderr.
func (e *ProcessError) Error() string {
	text := strings.Join(e.Args, " ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + "..."
	}
	text += ": " + e.Err.Error()
	if e.State != nil && !e.killed {
		text += ": " + e.State.String()
	}
	if e.Stderr != "" {
		text += "; stderr: " + e.Stderr
	}
	return text
}

// Unwrap returns Err.
func (e *ProcessError) Unwrap() error { return e.Err }

// Spec checks the command, in the name of the verb that it was given to, and returns
// it with its defaults filled in. It is for the packages of this module.
func (c Command) Spec(verb string) *subprocess.Spec {
	c.check(verb + ": Command.")
	args := slices.Clone(c.Args)
	s := &subprocess.Spec{
		Args: args, Dir: c.Dir, Env: slices.Clone(c.Env), Inherit: slices.Clone(c.InheritEnv),
		MaxLine: cmp.Or(c.MaxLine, defaultMaxLine), Pipeline: cmp.Or(c.Pipeline, 1),
		Timeout: c.Timeout, Grace: cmp.Or(c.Grace, defaultGrace),
		Restarts: cmp.Or(c.Restarts, defaultRestarts), Delay: cmp.Or(c.RestartDelay, defaultRestartDelay),
		OutOfStep: ErrOutOfStep,
		TooLong:   fmt.Errorf("the answer has more than %d bytes: %w", cmp.Or(c.MaxLine, defaultMaxLine), bufio.ErrTooLong),
		Overdue:   &TimeoutError{Limit: c.Timeout},
		Failed: func(f subprocess.Failure) error {
			return &ProcessError{Args: args, Err: f.Reason, State: f.State, Stderr: f.Stderr, killed: f.Killed}
		},
		TooMany: func(times int, last error) error { return fmt.Errorf("%w: %d times: %w", ErrRestarts, times, last) },
	}
	s.MaxDelay = max(s.Delay, maxRestartDelay)
	if c.Stderr != nil {
		s.Stderr = subprocess.NewStderr(c.Stderr, func(v any, stack []byte) error { return &PanicError{Value: v, Stack: stack} })
	}
	return s
}

// check panics unless the command can be run. What it says begins with of.
func (c Command) check(of string) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		panic("penstock: " + of + "Args: there is no program")
	}
	for _, arg := range c.Args {
		if strings.IndexByte(arg, 0) >= 0 {
			panic(fmt.Sprintf("penstock: %sArgs: %q has a NUL", of, arg))
		}
	}
	for _, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.IndexByte(v, 0) >= 0 {
			panic(fmt.Sprintf("penstock: %sEnv: %q is not KEY=value", of, v))
		}
	}
	for _, name := range c.InheritEnv {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			panic(fmt.Sprintf("penstock: %sInheritEnv: %q is no name", of, name))
		}
	}
	notNegative(c.Timeout, of+"Timeout")
	notNegative(c.RestartDelay, of+"RestartDelay")
	notNegative(c.Grace, of+"Grace")
	notBelow(0, c.MaxLine, of+"MaxLine")
	notBelow(0, c.Pipeline, of+"Pipeline")
	notBelow(0, c.Restarts, of+"Restarts")
}

// detail is what Describe says of it.
func (c Command) detail() string { return c.Args[0] }
