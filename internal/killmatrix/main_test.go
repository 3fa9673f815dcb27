package killmatrix

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childVariable makes the test binary a child that does the job in it.
const childVariable = "PENSTOCK_KILL_CHILD"

func TestMain(m *testing.M) {
	if todo := os.Getenv(childVariable); todo != "" {
		os.Exit(child(todo))
	}
	goleak.VerifyTestMain(m)
}

func child(todo string) int {
	var j job
	err := json.Unmarshal([]byte(todo), &j)
	if err == nil {
		var ops int
		ops, err = j.run(context.Background())
		if _, werr := fmt.Fprintln(os.Stdout, ops); err == nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// killSelf ends the process as SIGKILL does.
func killSelf() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// holding is what a child says that waits.
const holding = "holding"

// wait waits until the parent closes the standard input.
func wait() {
	_, err := fmt.Fprintln(os.Stdout, holding)
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	if err != nil {
		panic(err)
	}
}
