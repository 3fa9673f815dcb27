package stage

import (
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/penstock-go/penstock/internal/plan"
)

// runLog writes the few lines of a run to the user's logger, if there is one.
type runLog struct {
	log   *zap.Logger
	kinds map[string]bool
}

// maxKinds is how many kinds of failure are logged.
const maxKinds = 32

func (l *runLog) started(node *plan.Node, sink string) {
	if l.log != nil {
		var stages []string
		walk(node, func(n *plan.Node) { stages = append(stages, n.Label()) })
		l.log.Info("run started", zap.Strings("stages", stages), zap.String("sink", sink))
	}
}

func (l *runLog) ended(s *Summary, err error) {
	if l.log == nil {
		return
	}
	fields := []zap.Field{
		zap.Int64("read", s.Read), zap.Int64("written", s.Written),
		zap.Int64("failed", s.Failed), zap.Int64("dead_lettered", s.DeadLettered),
		zap.Duration("elapsed", s.Elapsed),
	}
	if err != nil {
		l.log.Error("run failed", append(fields, zap.Error(err))...)
		return
	}
	l.log.Info("run ended", fields...)
}

// failed logs an item that failed if it is the first of its kind.
func (l *runLog) failed(e *ItemError) {
	if l.log == nil || len(l.kinds) > maxKinds {
		return
	}
	k := kind(e)
	if l.kinds[k] {
		return
	}
	if l.kinds == nil {
		l.kinds = map[string]bool{}
	}
	l.kinds[k] = true
	if len(l.kinds) > maxKinds {
		l.log.Warn("items failed in more ways than are logged", zap.Int("logged", maxKinds))
		return
	}
	fields := []zap.Field{zap.String("stage", e.Stage), zap.Int64("index", e.Index), zap.Error(e.Err)}
	if e.At.Key != "" {
		fields = append(fields, zap.String("input", e.At.Key), zap.Int64("record", e.At.Record+1), zap.Int64("byte", e.At.Offset))
	}
	if len(e.Stack) > 0 {
		fields = append(fields, zap.ByteString("stack", e.Stack))
	}
	l.log.Warn("item failed: first of its kind", fields...)
}

// kind tells sorts of failure apart: the stage, and the innermost error's type
// and text without its numbers.
func kind(e *ItemError) string {
	root := e.Err
	for next := errors.Unwrap(root); next != nil; next = errors.Unwrap(root) {
		root = next
	}
	text := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, root.Error())
	return fmt.Sprintf("%s|%T|%.64s", e.Stage, root, text)
}
