// Command filesjob is one job over files in a process of its own, so that its
// memory is its own: what the suite files measures of Penstock, the loops by hand
// that it is measured against, and what makes and checks their files.
//
//	filesjob NAME OUT FILE...
//
// It prints the answer to stdout; a job that writes a file writes OUT.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
)

// workers is how many workers every job has, and processors.
const workers = 2

// task is a job by its arguments.
type task struct {
	out string
	in  []string
}

var tasks = map[string]func(context.Context, task) error{
	"lines/count":    linesCount,
	"csv/groupby":    groupBy,
	"csv/struct":     csvStruct,
	"ndjson/filter":  ndjsonFilter,
	"ndjson/struct":  ndjsonStruct,
	"csv-to-parquet": csvToParquet,
	"sort":           sortLines,

	"csv/struct by hand":    csvStructByHand,
	"csv-to-sqlite by hand": csvToSQLiteByHand,

	"csv-to-file":            deliverCheckpointed,
	"csv-to-file without":    deliverAtEnd,
	"csv-to-file, crashing":  deliverCrash,
	"csv-to-file, once more": deliverResume,

	"generate":     generate,
	"look parquet": lookParquet,
	"look sqlite":  lookSQLite,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	runtime.GOMAXPROCS(workers)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "filesjob:", err)
		os.Exit(1) //nolint:gocritic // what stop would do ends with the process
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("want a name, an output and files, got %q", args)
	}
	do := tasks[args[0]]
	if do == nil {
		return fmt.Errorf("no job %q", args[0])
	}
	stop, err := profile(os.Getenv("FILESJOB_CPUPROFILE"))
	if err != nil {
		return err
	}
	defer stop()
	return do(ctx, task{out: args[1], in: args[2:]})
}

// profile writes a CPU profile to the path, if there is one.
func profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "filesjob:", err)
		}
	}, nil
}
