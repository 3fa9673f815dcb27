// Command peers measures Penstock beside other libraries and hand-written
// concurrency, in one process.
//
//	go -C benchmarks/peers run . -suite engine       # a table
//	go -C benchmarks/peers run . -suite all -json    # all suites, an object a line
//
// See benchmarks/README.md for what is measured, how, and how far to trust it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() {
		<-ctx.Done()
		stop() // peers do not all stop at a cancelled context; a second Ctrl-C ends the process
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command's flags.
type options struct {
	settings
	suites                 []suite
	suite                  string
	cases                  *regexp.Regexp
	json                   bool
	cpuProfile, memProfile string
}

// errNoCase says that -case matches nothing.
var errNoCase = errors.New("-case")

// run measures and returns the exit code: 0, 1 for a failure such as wrong
// results, 2 for wrong arguments. A bound that was missed is no failure.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "peers:", err)
		return 2
	}
	// The tables are about two cores, whatever the machine has.
	const cores = 2
	if runtime.NumCPU() < cores {
		fmt.Fprintln(stderr, "peers: this machine has one core: the figures of two workers mean nothing here")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	err = profiled(opt, func() error { return measureAll(ctx, opt, stdout, stderr) })
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "peers:", err)
	if errors.Is(err, errNoCase) {
		return 2
	}
	return 1
}

func parse(args []string, stderr io.Writer) (options, error) {
	var opt options
	var cases, impls string
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&opt.suite, "suite", "engine", "the suite to run: "+suiteNames())
	f.StringVar(&cases, "case", "", "run only cases that match this `regexp`")
	f.StringVar(&impls, "impl", "", "run only implementations that match this `regexp`")
	f.IntVar(&opt.rounds, "rounds", 5, "interleaved rounds; figures are their medians")
	f.BoolVar(&opt.json, "json", false, "print a JSON object a line instead of a table")
	f.BoolVar(&opt.quick, "quick", false, "small sizes and one round: checks that everything runs and gives the right results")
	f.StringVar(&opt.cpuProfile, "cpuprofile", "", "write a CPU profile to this `file`")
	f.StringVar(&opt.memProfile, "memprofile", "", "write an allocation profile to this `file`")
	if err := f.Parse(args); err != nil {
		return opt, err
	}
	if f.NArg() > 0 {
		return opt, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if opt.rounds < 1 {
		return opt, fmt.Errorf("-rounds is %d, want at least 1", opt.rounds)
	}
	if opt.quick {
		opt.rounds = 1
	}
	if opt.suites = suitesNamed(opt.suite); len(opt.suites) == 0 {
		return opt, fmt.Errorf("-suite: no suite %q, want one of %s", opt.suite, suiteNames())
	}
	var err error
	if opt.impls, err = regexp.Compile(impls); err != nil {
		return opt, fmt.Errorf("-impl: %w", err)
	}
	if opt.cases, err = regexp.Compile(cases); err != nil {
		return opt, fmt.Errorf("%w: %w", errNoCase, err)
	}
	return opt, nil
}

// measureAll runs the suites one after another.
func measureAll(ctx context.Context, opt options, stdout, stderr io.Writer) error {
	p := &printer{w: stdout, json: opt.json}
	matched := 0
	for _, s := range opt.suites {
		n, err := s.measure(ctx, opt.settings, opt.cases, p, stderr)
		if err != nil {
			return err
		}
		matched += n
	}
	if matched == 0 {
		return fmt.Errorf("%w: no case of suite %s matches %q", errNoCase, opt.suite, opt.cases)
	}
	if opt.json {
		return nil
	}
	_, err := fmt.Fprintf(stdout, "%s, %s %s/%s, GOMAXPROCS %d, %s\n", time.Now().Format(time.DateOnly),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), processor())
	return err
}

// processor names the machine's processor as far as it can be known.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// profiled calls f under the profiles that were asked for.
func profiled(opt options, f func() error) (err error) {
	if opt.cpuProfile != "" {
		file, err := os.Create(opt.cpuProfile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(err, file.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, file.Close())
		}()
	}
	if err := f(); err != nil || opt.memProfile == "" {
		return err
	}
	file, err := os.Create(opt.memProfile)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
