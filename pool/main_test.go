package pool

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/internal/childtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(limitedChild) != "" {
		if err := limitedJob(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(childtest.Tests(m))
}
