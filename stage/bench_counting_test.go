package stage

import "context"

// counting is a source of 0, 1, 2... without end.
func counting() Stream[int] {
	return New("counting", func(context.Context) (Puller[int], error) { return &counter{}, nil })
}

type counter struct{ next int }

func (c *counter) Pull(_ context.Context, into *Chunk[int], max Limit) error {
	into.Reset()
	for range max.Room() {
		into.Items = append(into.Items, c.next)
		c.next++
	}
	return nil
}

func (*counter) Close() error { return nil }

func inc(_ context.Context, v int) (int, error) { return v + 1, nil }
func odd(v int) bool                            { return v&1 == 1 }
