package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-go/penstock/internal/childtest"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/stage"
)

// number is a record for a process that doubles it. Its making asks call, as a user's
// method may.
type number struct {
	N    int `json:"n"`
	call func(int) error
}

func (n number) MarshalJSON() ([]byte, error) {
	if err := n.call(n.N); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"n":%d}`, n.N), nil
}

func (n *number) UnmarshalJSON(b []byte) error {
	var v struct {
		N int `json:"n"`
	}
	err := json.Unmarshal(b, &v)
	if err != nil {
		return errors.Join(errors.New("not a number"), err)
	}
	n.N = v.N
	return nil
}

// String is what is compared.
func (n number) String() string { return fmt.Sprint(n.N) }

// executed are the stages that are processes, strict and pipelined.
func executed() []operator {
	var rows []operator
	for _, pipeline := range []int{1, 4} {
		lines := stage.Command{Args: childtest.New("cat").Args, Pipeline: pipeline}
		records := stage.Command{Args: childtest.New("double").Args, Pipeline: pipeline}
		with := func(op operator, name string) {
			op.name = fmt.Sprintf("%s/pipeline=%d", name, pipeline)
			rows = append(rows, op)
		}
		numbered := func(in stage.Stream[int], call func(int) error) stage.Stream[number] {
			return stage.Map(in, func(_ context.Context, v int) (number, error) { return number{v, call}, nil })
		}
		with(operator{
			mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return stage.Exec(text(in), lines)
			},
			want: texts[int],
		}, "Exec")
		with(operator{
			calls: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(stage.ExecJSON[number, number](numbered(in, call), records))
			},
			want: each(double),
		}, "ExecJSON")
		with(operator{
			mute: true,
			apply: func(in stage.Stream[int], _ func(int) error) stage.Stream[string] {
				return pool.Exec(pool.New(2), text(in), lines, pool.InFlight(8))
			},
			want: texts[int],
		}, "pool.Exec")
		with(operator{
			calls: true, anyOrder: true,
			apply: func(in stage.Stream[int], call func(int) error) stage.Stream[string] {
				return text(pool.ExecJSON[number, number](pool.New(2), numbered(in, call), records, pool.InFlight(8), pool.Unordered()))
			},
			want: each(double),
		}, "pool.ExecJSON")
	}
	return rows
}
