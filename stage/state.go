package stage

import "encoding/json"

// tally is the state of an operator that counts.
type tally struct {
	Count int64 `json:"count"`
}

// SaveState implements Stateful: how many items are left to take.
func (t *taking[T]) SaveState() (json.RawMessage, error) {
	return json.Marshal(tally{int64(t.left)})
}

// RestoreState implements Stateful.
func (t *taking[T]) RestoreState(state json.RawMessage) error {
	var c tally
	err := json.Unmarshal(state, &c)
	t.left = int(c.Count)
	return err
}

// SaveState implements Stateful: how many items are left to skip.
func (s *skipping[T]) SaveState() (json.RawMessage, error) {
	return json.Marshal(tally{int64(s.left)})
}

// RestoreState implements Stateful.
func (s *skipping[T]) RestoreState(state json.RawMessage) error {
	var c tally
	err := json.Unmarshal(state, &c)
	s.left = int(c.Count)
	return err
}

// SaveState implements Stateful, for kernels that do.
func (l *loop[A, B]) SaveState() (json.RawMessage, error) {
	if k, ok := l.k.(Stateful); ok {
		return k.SaveState()
	}
	return nil, nil
}

// RestoreState implements Stateful.
func (l *loop[A, B]) RestoreState(state json.RawMessage) error {
	if k, ok := l.k.(Stateful); ok {
		return k.RestoreState(state)
	}
	return nil
}

// SaveState implements Stateful: the number of the next item.
func (k *enumeration[T]) SaveState() (json.RawMessage, error) { return json.Marshal(tally{k.next}) }

// RestoreState implements Stateful.
func (k *enumeration[T]) RestoreState(state json.RawMessage) error {
	var c tally
	err := json.Unmarshal(state, &c)
	k.next = c.Count
	return err
}

// SaveState implements Stateful: the accumulator.
func (k *scanning[A, Acc]) SaveState() (json.RawMessage, error) { return json.Marshal(k.acc) }

// RestoreState implements Stateful.
func (k *scanning[A, Acc]) RestoreState(state json.RawMessage) error {
	var acc Acc
	if err := json.Unmarshal(state, &acc); err != nil {
		return err
	}
	k.acc = acc
	return nil
}

// sifted is the state of TakeWhile, which is done, and of SkipWhile, which has
// found what it looked for.
type sifted struct {
	Done bool `json:"done"`
}

// SaveState implements Stateful, for the keepers that change.
func (s *sieve[T]) SaveState() (json.RawMessage, error) {
	switch k := s.k.(type) {
	case takingWhile[T]:
		return json.Marshal(sifted{s.done})
	case *skippingWhile[T]:
		return json.Marshal(sifted{k.found})
	}
	return nil, nil
}

// RestoreState implements Stateful.
func (s *sieve[T]) RestoreState(state json.RawMessage) error {
	var was sifted
	err := json.Unmarshal(state, &was)
	switch k := s.k.(type) {
	case takingWhile[T]:
		s.done = was.Done
	case *skippingWhile[T]:
		k.found = was.Done
	}
	return err
}
