package childtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
)

// name is that of the program.
const name = "penstock-child"

// started numbers the commands.
var started atomic.Int64 //nolint:gochecknoglobals // they are told apart in the whole process

// built is where the program is, if it was asked for.
var built struct { //nolint:gochecknoglobals // one for all tests of a package
	once sync.Once
	dir  string
	err  error
}

// Child is a command whose processes can be found.
type Child struct {
	Args []string
	mark string
}

// New is the command of a child that behaves as mode says, with its arguments.
func New(mode string, args ...string) Child {
	built.once.Do(build)
	if built.err != nil {
		panic(built.err)
	}
	mark := fmt.Sprintf("%d.%d", os.Getpid(), started.Add(1))
	return Child{Args: append([]string{program(), mark, mode}, args...), mark: mark}
}

func program() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(built.dir, name+".exe")
	}
	return filepath.Join(built.dir, name)
}

func build() {
	if built.dir, built.err = os.MkdirTemp("", name); built.err != nil {
		return
	}
	const of = "github.com/penstock-go/penstock/internal/childtest/child"
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program(), of) //nolint:noctx,gosec // ours, and it ends
	if said, err := cmd.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("go build %s: %w: %s", of, err, said)
	}
}

// Tests is the tests of a package that removes the program behind them.
func Tests(m interface{ Run() int }) interface{ Run() int } { return tests{m} }

type tests struct{ m interface{ Run() int } }

func (t tests) Run() int {
	code := t.m.Run()
	if built.dir == "" {
		return code
	}
	if err := os.RemoveAll(built.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
