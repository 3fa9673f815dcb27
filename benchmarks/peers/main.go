// Command peers measures Penstock beside other libraries and hand-written
// concurrency, in one process.
//
//	go -C benchmarks/peers run . -suite engine          # a table
//	go -C benchmarks/peers run . -suite engine -json    # an object a line
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
	"slices"
	"strings"
	"time"
)

// suites are the tables that can be measured. A suite is built when it is asked
// for, because some of its functions are calibrated first.
var suites = map[string]func() []benchCase{
	"engine": engine,
}

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
	suite, cases, impls    string
	json                   bool
	cpuProfile, memProfile string
}

// run measures and returns the exit code: 0, 1 for a failure such as wrong
// results, 2 for wrong arguments. A bound that was missed is no failure.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, cases, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "peers:", err)
		return 2
	}
	// The table is about two workers on two cores, whatever the machine has.
	const cores = 2
	if runtime.NumCPU() < cores {
		fmt.Fprintln(stderr, "peers: this machine has one core: the figures of two workers mean nothing here")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	err = profiled(opt, func() error { return measureAll(ctx, opt, cases, stdout) })
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, []benchCase, error) {
	var opt options
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&opt.suite, "suite", "engine", "the suite to run: engine")
	f.StringVar(&opt.cases, "case", "", "run only cases that match this `regexp`")
	f.StringVar(&opt.impls, "impl", "", "run only implementations that match this `regexp`")
	f.IntVar(&opt.rounds, "rounds", 5, "interleaved rounds; figures are their medians")
	f.BoolVar(&opt.json, "json", false, "print a JSON object a line instead of a table")
	f.BoolVar(&opt.quick, "quick", false, "small sizes and one round: checks that everything runs and gives the right results")
	f.StringVar(&opt.cpuProfile, "cpuprofile", "", "write a CPU profile to this `file`")
	f.StringVar(&opt.memProfile, "memprofile", "", "write an allocation profile to this `file`")
	if err := f.Parse(args); err != nil {
		return opt, nil, err
	}
	if f.NArg() > 0 {
		return opt, nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if opt.rounds < 1 {
		return opt, nil, fmt.Errorf("-rounds is %d, want at least 1", opt.rounds)
	}
	if opt.quick {
		opt.rounds = 1
	}
	suite := suites[opt.suite]
	if suite == nil {
		return opt, nil, fmt.Errorf("-suite: no suite %q", opt.suite)
	}
	if opt.impls != "" {
		pattern, err := regexp.Compile(opt.impls)
		if err != nil {
			return opt, nil, fmt.Errorf("-impl: %w", err)
		}
		opt.settings.impls = pattern
	}
	pattern, err := regexp.Compile(opt.cases)
	if err != nil {
		return opt, nil, fmt.Errorf("-case: %w", err)
	}
	cases := slices.DeleteFunc(suite(), func(c benchCase) bool { return !pattern.MatchString(c.name) })
	if len(cases) == 0 {
		return opt, nil, fmt.Errorf("-case: no case of suite %s matches %q", opt.suite, opt.cases)
	}
	return opt, cases, nil
}

// measureAll measures the cases and prints each as soon as it is known.
func measureAll(ctx context.Context, opt options, cases []benchCase, w io.Writer) error {
	if !opt.json {
		if err := writeHeader(w); err != nil {
			return err
		}
	}
	for _, c := range cases {
		got, err := measure(ctx, c, opt.settings)
		if err != nil {
			return err
		}
		write := writeTable
		if opt.json {
			write = writeJSON
		}
		if err := write(w, got); err != nil {
			return err
		}
	}
	if opt.json {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s, %s %s/%s, GOMAXPROCS %d, %s\n", time.Now().Format(time.DateOnly),
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
