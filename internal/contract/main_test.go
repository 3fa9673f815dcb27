package contract

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/internal/childtest"
)

// TestMain lets temporary files go to a folder that must be empty at the end.
func TestMain(m *testing.M) {
	childtest.New("cat") // so that it is made in another folder
	os.Exit(inOwnFolder(childtest.Tests(m)))
}

func inOwnFolder(tests interface{ Run() int }) (code int) {
	dir, err := os.MkdirTemp("", "contract")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	code = tests.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
