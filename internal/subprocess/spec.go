package subprocess

import (
	"errors"
	"os"
	"time"
)

// Spec is a command and how to run it. All of it must be set but Dir, Env, Inherit,
// Stderr and Timeout. The workers of a stream share it; nobody changes it.
type Spec struct {
	Args    []string // the program and its arguments
	Dir     string   // where it runs, "" for the present folder
	Env     []string // its environment: KEY=value
	Inherit []string // names of variables that it has from this process
	Stderr  *Stderr  // what is given what it writes to stderr, or nil

	MaxLine  int           // bytes of an answer, at most
	Pipeline int           // requests written before their answers are read, at most
	Timeout  time.Duration // for an answer; 0: none
	Grace    time.Duration // to end in, before the next stronger means

	Restarts        int           // failures in a row, at most
	Delay, MaxDelay time.Duration // before the second and each further start in a row

	Overdue   error // why a process is ended that has not answered in time
	OutOfStep error // why one is ended that says what nobody asked for
	TooLong   error // why one is ended whose answer is too long
	// Failed makes the error of a process that failed, TooMany that of one which did
	// too often in a row.
	Failed  func(Failure) error
	TooMany func(times int, last error) error
}

// Failure is what is known of a process that failed.
type Failure struct {
	Reason error            // why it was ended, or what it ended before
	State  *os.ProcessState // how it ended
	Killed bool             // State is our doing
	Stderr string           // the end of what it wrote there
}

// Why a process fails, beside those of the Spec.
var (
	ErrAnswer = errors.New("ended without an answer")
	ErrBefore = errors.New("ended before it was given the item")
	ErrEnd    = errors.New("failed at the end")
	errGrace  = errors.New("did not end by itself behind the last item")
	errInput  = errors.New("reads no more")
)

// FatalError is the error of a worker that cannot go on.
type FatalError struct{ Err error }

// Error is that of Err.
func (f *FatalError) Error() string { return f.Err.Error() }

// Unwrap returns Err.
func (f *FatalError) Unwrap() error { return f.Err }

// environ is the environment of a process that starts now. It is never nil, which
// would be all of this one's.
func (s *Spec) environ() []string {
	env := make([]string, 0, len(s.Inherit)+len(s.Env))
	for _, name := range s.Inherit {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, s.Env...)
}
