package subprocess

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock-go/penstock/internal/childtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(childtest.Tests(m))
}
