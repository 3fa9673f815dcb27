package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Program is a command without its process, which a test may run.
type Program struct {
	Name           string
	Stdout, Stderr io.Writer
	Terminal       bool          // Stderr is one
	Every          time.Duration // between lines of progress elsewhere; 0: two seconds
}

// New is the program of this process.
func New(name string) *Program {
	return &Program{Name: name, Stdout: os.Stdout, Stderr: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

// Refused is what a program exits with whose arguments are wrong, or ask for help;
// it says which.
func (p *Program) Refused(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return OK
	}
	p.Sayf("%v\nRun with -h for the flags.", err)
	return Usage
}

// Sayf writes a line to stderr, under the program's name.
func (p *Program) Sayf(format string, args ...any) {
	stderr := p.Stderr
	fmt.Fprintf(stderr, p.Name+": "+format+"\n", args...)
}

// Reading begins to tell of the progress through the inputs, and says which these
// are where no bar shows it. total is how many rows there may be, or 0. The
// function that it returns ends that.
func (p *Program) Reading(in []string, total int) (progress *Progress, quiet func()) {
	if !p.Terminal {
		p.Sayf("reading %s", strings.Join(in, ", "))
	}
	progress = &Progress{Name: p.Name, W: p.Stderr, Terminal: p.Terminal, Every: p.Every}
	return progress, progress.Start(total)
}
