package subprocess

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// drainTime is how long the pipes of a process are read after its end, if somebody
// who left its group keeps them open.
const drainTime = 250 * time.Millisecond

// process is one that runs. One goroutine talks to it; others read what it writes,
// and wait for its end.
type process struct {
	spec          *Spec
	cmd           *exec.Cmd
	in, out, errs *os.File      // our ends
	moved         chan struct{} // has a token when what mu guards has changed
	exited        chan struct{} // closed when it has ended and was waited for
	readers       sync.WaitGroup
	timer         *time.Timer // of the answer that is due, or nil
	closing       bool        // its input was closed, for it to end
	signalled     bool        // it was sent a signal to end
	killed        bool        // it did not end by itself
	deadline      time.Time   // of what it was told

	mu    sync.Mutex // no user code runs under it, and nothing waits
	buf   []byte     // what it wrote
	from  int        // what of buf was taken
	line  int        // where in buf the line begins that is not complete
	lines int        // complete lines in buf
	due   int        // answers that were asked for and not taken
	since time.Time  // since when the next one is
	eof   bool
	why   error // why it was killed
	left  bool  // because the caller gave up
	gone  bool  // it was waited for: its number may be another's
	tail  tail
}

// start starts a process, with goroutines that end with it. It must be ended.
func start(spec *Spec) (*process, error) {
	var pipes [3][2]*os.File // each its end and ours
	shut := func(side int) {
		for _, pipe := range pipes {
			if pipe[side] != nil {
				_ = pipe[side].Close() // nothing was written
			}
		}
	}
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			shut(0)
			shut(1)
			return nil, err
		}
		if pipes[i] = [2]*os.File{w, r}; i == 0 { // it reads the first
			pipes[i] = [2]*os.File{r, w}
		}
	}
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...) //nolint:noctx,gosec // it ends as this package says; the command is the user's
	cmd.Dir, cmd.Env = spec.Dir, spec.environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes[0][0], pipes[1][0], pipes[2][0]
	cmd.SysProcAttr = inGroup()
	p := &process{
		spec: spec, cmd: cmd, in: pipes[0][1], out: pipes[1][1], errs: pipes[2][1],
		moved: make(chan struct{}, 1), exited: make(chan struct{}),
	}
	started := make(chan error, 1)
	go p.live(started)
	err := <-started
	shut(0)
	if err != nil {
		<-p.exited
		shut(1)
		return nil, err
	}
	p.readers.Go(p.readAnswers)
	p.readers.Go(p.readErrors)
	return p, nil
}

// live starts the process and waits for its end. The thread that starts it must
// live as long: Linux ends a process that is to die with its parent when that
// thread ends, which happens to a Go program's threads.
func (p *process) live(started chan<- error) {
	defer close(p.exited)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	zombie := awaitExit(p.cmd.Process.Pid)
	if !zombie {
		_ = p.cmd.Wait() // its state tells
	}
	p.mu.Lock()
	killGroup(p.cmd.Process) // what it leaves behind
	p.gone = true
	p.mu.Unlock()
	if zombie {
		_ = p.cmd.Wait()
	}
	// Somebody who left the group may keep the pipes open.
	_ = p.in.SetWriteDeadline(time.Now()) // where pipes have no deadlines, nobody leaves a group
	for _, f := range []*os.File{p.out, p.errs} {
		if f.SetReadDeadline(time.Now().Add(drainTime)) != nil {
			time.AfterFunc(drainTime, func() { _ = f.Close() })
		}
	}
}

// readAnswers reads what the process writes to stdout, whether or not somebody
// waits for it: a process that cannot write may not read either.
func (p *process) readAnswers() {
	b := make([]byte, 64<<10)
	for {
		n, err := p.out.Read(b)
		p.mu.Lock()
		if p.why == nil {
			p.got(b[:n])
		}
		p.eof = err != nil
		stop := p.eof || p.why != nil
		p.mu.Unlock()
		p.wake()
		if stop {
			_ = p.in.SetWriteDeadline(time.Now().Add(p.spec.Grace)) // who does not answer may not read either
			return
		}
	}
}

// got takes what was read. It needs mu.
func (p *process) got(b []byte) {
	if p.from > 0 {
		p.buf = p.buf[:copy(p.buf, p.buf[p.from:])]
		p.line -= p.from
		p.from = 0
	}
	p.buf = append(p.buf, b...)
	for p.why == nil {
		n := bytes.IndexByte(p.buf[p.line:], '\n')
		whole := n >= 0
		if !whole {
			n = len(p.buf) - p.line
		}
		switch {
		case p.lines == p.due && (whole || n > 0):
			said := p.buf[p.line:]
			p.end(fmt.Errorf("%w: it wrote %q, for which it was not asked", p.spec.OutOfStep, said[:min(len(said), 80)]))
		case n > p.spec.MaxLine:
			p.end(p.spec.TooLong)
		case !whole:
			return
		default:
			p.line += n + 1
			p.lines++
		}
	}
}

// readErrors reads what the process writes to stderr.
func (p *process) readErrors() {
	b := make([]byte, 4<<10)
	for {
		n, err := p.errs.Read(b)
		p.mu.Lock()
		p.tail.write(b[:n])
		p.mu.Unlock()
		if n > 0 && p.spec.Stderr != nil {
			p.pass(b[:n])
		}
		if err != nil {
			return
		}
	}
}

// pass hands b to the user's writer. Should that end the goroutine, reading goes on in
// another.
func (p *process) pass(b []byte) {
	done := false
	defer func() {
		if !done {
			p.readers.Go(p.readErrors)
		}
	}()
	p.spec.Stderr.write(b)
	done = true
}

func (p *process) wake() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// fail kills the process for a reason; the first one counts.
func (p *process) fail(why error) {
	p.mu.Lock()
	p.end(why)
	p.mu.Unlock()
	p.wake()
}

// end is fail for who has mu.
func (p *process) end(why error) {
	if p.why == nil {
		p.why = why
	}
	if !p.gone {
		killGroup(p.cmd.Process)
	}
}

// leave kills the process because the caller gave up, unless it has failed already.
func (p *process) leave(why error) {
	p.mu.Lock()
	p.left = p.left || p.why == nil
	p.end(why)
	p.mu.Unlock()
	p.wake()
}

// reason is why the process was killed, or nil.
func (p *process) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// wasLeft reports whether that is because the caller gave up.
func (p *process) wasLeft() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// late kills the process if the answer that is due is overdue.
func (p *process) late() {
	p.mu.Lock()
	if p.lines == 0 && p.due > 0 && time.Since(p.since) >= p.spec.Timeout {
		p.end(p.spec.Overdue)
	}
	p.mu.Unlock()
	p.wake()
}

// exchange writes n requests and returns their answers, in order. Its error is that of
// the first request that has no answer; sent says whether they were written.
func (p *process) exchange(requests []byte, n int) (answers [][]byte, sent bool, err error) {
	if err := p.ask(n); err != nil {
		return nil, false, err
	}
	if p.timer != nil {
		defer p.timer.Stop()
	}
	if _, err := p.in.Write(requests); err != nil {
		// It has ended, or soon will; there may be answers nevertheless.
		defer time.AfterFunc(p.spec.Grace, func() { p.fail(errInput) }).Stop()
	}
	answers = make([][]byte, 0, n)
	for range n {
		answer, err := p.answer()
		if err != nil {
			return answers, true, err
		}
		answers = append(answers, answer)
	}
	return answers, true, nil
}

// ask notes that n requests follow. Its error is that the process is not in step.
func (p *process) ask(n int) error {
	unread := readable(p.out) // of a process that has ended, or that speaks without being asked
	for {
		p.mu.Lock()
		why, eof := p.why, p.eof
		if why == nil && !eof && !unread {
			p.due = n
			p.since = time.Now()
		}
		p.mu.Unlock()
		switch {
		case why != nil:
			return why
		case eof:
			return ErrBefore
		case !unread:
			if p.spec.Timeout > 0 {
				p.arm()
			}
			return nil
		}
		<-p.moved
		unread = readable(p.out)
	}
}

// arm starts the time of the next answer.
func (p *process) arm() {
	if p.timer == nil {
		p.timer = time.AfterFunc(p.spec.Timeout, p.late)
	} else {
		p.timer.Reset(p.spec.Timeout)
	}
}

// answer waits for the next answer and returns it, in memory of its own.
func (p *process) answer() ([]byte, error) {
	for {
		p.mu.Lock()
		why, eof := p.why, p.eof
		if why == nil && p.lines > 0 {
			line := p.take()
			due := p.due
			p.mu.Unlock()
			if p.timer != nil && due > 0 {
				p.arm()
			}
			return line, nil
		}
		p.mu.Unlock()
		switch {
		case why != nil:
			return nil, why
		case eof:
			return nil, ErrAnswer
		}
		<-p.moved
	}
}

// take takes the first complete line. It needs mu.
func (p *process) take() []byte {
	n := bytes.IndexByte(p.buf[p.from:], '\n')
	line := bytes.Clone(bytes.TrimSuffix(p.buf[p.from:p.from+n], []byte("\r")))
	p.from += n + 1
	p.lines--
	p.due--
	if p.spec.Timeout > 0 {
		p.since = time.Now()
	}
	return line
}

// finish ends the process by closing its input, and waits until it has ended: after
// the grace period it is asked with a signal, after another one it is killed. When ctx
// ends meanwhile, finish returns its cause and can be called again.
func (p *process) finish(ctx context.Context) error {
	if !p.closing {
		p.closing = true
		_ = p.in.Close() // what was written was answered
		p.deadline = time.Now().Add(p.spec.Grace)
	}
	for {
		timer := time.NewTimer(time.Until(p.deadline))
		select {
		case <-p.exited:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		if p.signalled {
			p.fail(errGrace)
			<-p.exited
			return nil
		}
		p.signalled = true
		p.deadline = p.deadline.Add(p.spec.Grace)
		p.mu.Lock()
		if !p.gone {
			terminateGroup(p.cmd.Process)
		}
		p.mu.Unlock()
	}
}

// join ends the process if it has not ended, after waiting so long that it does by
// itself, and lets go of all that it has.
func (p *process) join(patience time.Duration) {
	if patience > 0 {
		timer := time.NewTimer(patience)
		select {
		case <-p.exited:
		case <-timer.C:
		}
		timer.Stop()
	}
	p.mu.Lock()
	if !p.gone {
		p.killed = true
		killGroup(p.cmd.Process)
	}
	p.mu.Unlock()
	<-p.exited
	if p.timer != nil {
		p.timer.Stop()
	}
	_ = p.in.Close() // twice at the end of a stream
	p.readers.Wait()
	_ = p.out.Close() // they were read to the end
	_ = p.errs.Close()
}
