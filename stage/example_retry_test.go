package stage_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/stage"
)

// service fails now and then, and refuses what it does not know for good.
func service() func(context.Context, string) (string, error) {
	calls := 0
	return func(_ context.Context, user string) (string, error) {
		calls++
		switch {
		case user == "nobody":
			return "", stage.Permanent(errors.New("no such user"))
		case calls == 1:
			return "", errors.New("try again later")
		}
		return "hello " + user, nil
	}
}

// A service is called again when it fails, but not after an answer that will not
// change.
func ExampleRetry() {
	greet := stage.Retry(service(), stage.Attempts(3), stage.Backoff(time.Millisecond, 0))
	for text, err := range stage.Map(of("ann", "nobody"), greet).Named("greet").All(context.Background()) {
		if failed, ok := errors.AsType[*stage.RetryError](err); ok {
			fmt.Println(err, "| attempts:", failed.Attempts)
			continue
		}
		fmt.Println(text)
	}
	// Output:
	// hello ann
	// greet: item 1: after 1 attempt: no such user | attempts: 1
}

// The order in which the three compose: each attempt waits for its turn, and then
// has its time.
func ExampleRetry_compose() {
	greet := stage.Retry(stage.RateLimit(stage.Timeout(service(), time.Second), 1000, 10), stage.Backoff(time.Millisecond, 0))
	fmt.Println(greet(context.Background(), "ann"))
	// Output: hello ann <nil>
}

// Only what a predicate says is tried again.
func ExampleRetryIf() {
	temporary := func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
	greet := stage.Retry(service(), stage.RetryIf(temporary))
	_, err := greet(context.Background(), "ann")
	fmt.Println(err)
	// Output: after 1 attempt: try again later
}
