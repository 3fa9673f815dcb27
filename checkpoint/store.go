package checkpoint

import (
	"context"
	"errors"
	"fmt"
)

// Store keeps the newest state of one pipeline. Its methods are called one at a
// time: Open first, Close last, Load and Save between them. After a Close it can be
// opened again.
type Store interface {
	// Open takes the store for the caller alone, until Close or the end of the
	// process. It fails at once with an error that is ErrLocked if another run has it,
	// or, as Table does, takes it from that run, whose next Save fails with ErrFenced.
	Open(ctx context.Context) error
	// Load is the newest state, or false if nothing was ever saved. A state that was
	// saved and cannot be read any more is an error, never a fresh start.
	Load(ctx context.Context) (State, bool, error)
	// Save replaces the state. When it returns nil, the state is durable. When it
	// fails, Load gives either this state or the one before.
	Save(ctx context.Context, s State) error
	// Close lets others open the store. It is safe to call after a failed Open.
	Close(ctx context.Context) error
}

var (
	// ErrLocked says that another run has the store.
	ErrLocked = errors.New("in use by another run")
	// ErrCorrupt says that a saved state is damaged.
	ErrCorrupt = errors.New("damaged")
	// ErrClosed says that a store is used without being open.
	ErrClosed = errors.New("checkpoint: the store is not open")
)

// LockedError is the ErrLocked of a file.
type LockedError struct {
	Path string // the store
	PID  int    // the process that has it, 0 if that is not known
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("checkpoint: %s: %v", e.Path, ErrLocked)
	}
	return fmt.Sprintf("checkpoint: %s: %v, process %d", e.Path, ErrLocked, e.PID)
}

// Is makes it an ErrLocked.
func (*LockedError) Is(target error) bool { return target == ErrLocked }
